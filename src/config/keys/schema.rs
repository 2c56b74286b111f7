//! The table of keys as a tree, the shape in which a file is compared with it.

use std::collections::BTreeMap;

use super::Key;

/// What may stand at a place of the configuration.
#[derive(Debug)]
pub(crate) enum Schema {
    Leaf(&'static Key),
    /// Fixed keys.
    Section(BTreeMap<&'static str, Schema>),
    /// Any keys, all with the same value.
    Map(Box<Schema>),
    List(Box<Schema>),
}

impl Schema {
    /// The tree of all keys.
    pub(crate) fn new() -> Self {
        let mut root = BTreeMap::new();
        for key in super::all() {
            plant(&mut root, key.path, key);
        }
        Self::Section(root)
    }

    /// The section with this name below a section.
    pub(crate) fn section(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Section(entries) => entries.get(name),
            Self::Leaf(_) | Self::Map(_) | Self::List(_) => None,
        }
    }

    /// Whether this is a section that makes no sense without some key: absent as a whole, it stays absent.
    pub(crate) fn has_required_key(&self) -> bool {
        match self {
            Self::Section(entries) => entries
                .values()
                .any(|entry| matches!(entry, Self::Leaf(key) if matches!(key.preset, super::Preset::Required))),
            Self::Leaf(_) | Self::Map(_) | Self::List(_) => false,
        }
    }
}

/// Recursion is as deep as the longest path of the table.
fn plant(entries: &mut BTreeMap<&'static str, Schema>, path: &'static str, key: &'static Key) {
    let Some((head, rest)) = path.split_once('.') else {
        entries.insert(path, Schema::Leaf(key));
        return;
    };
    if let Some(name) = head.strip_suffix("[]") {
        let list = entries.entry(name).or_insert_with(|| Schema::List(Box::new(Schema::Section(BTreeMap::new()))));
        if let Schema::List(item) = list
            && let Schema::Section(below) = &mut **item
        {
            plant(below, rest, key);
        }
    } else if let Some(rest) = rest.strip_prefix("*.") {
        let map = entries.entry(head).or_insert_with(|| Schema::Map(Box::new(Schema::Section(BTreeMap::new()))));
        if let Schema::Map(item) = map
            && let Schema::Section(below) = &mut **item
        {
            plant(below, rest, key);
        }
    } else if let Schema::Section(below) = entries.entry(head).or_insert_with(|| Schema::Section(BTreeMap::new())) {
        plant(below, rest, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_sections_maps_and_lists() {
        let root = Schema::new();
        assert!(matches!(root.section("listen"), Some(Schema::Leaf(_))));
        assert!(matches!(root.section("listeners"), Some(Schema::List(_))));
        assert!(matches!(root.section("auth").and_then(|auth| auth.section("issuers")), Some(Schema::List(_))));
        let Some(Schema::Map(namespace)) = root.section("namespaces") else { panic!("namespaces are a map") };
        assert!(namespace.section("refuse").is_some_and(Schema::has_required_key));
        assert!(!namespace.has_required_key());
    }

    #[test]
    fn no_key_of_the_table_is_lost() {
        fn leaves(schema: &Schema) -> usize {
            match schema {
                Schema::Leaf(_) => 1,
                Schema::Section(entries) => entries.values().map(leaves).sum(),
                Schema::Map(item) | Schema::List(item) => leaves(item),
            }
        }
        assert_eq!(leaves(&Schema::new()), super::super::all().count());
    }
}
