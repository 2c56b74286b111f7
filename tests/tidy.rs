//! What the tree promises about itself, read as plain text: levels, foreign crates, sizes, documents.
//!
//! Fast and without dependencies, so that it runs with every other test. A finding names the place and the cure.

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/links.rs"]
mod links;
#[path = "tidy/requirements.rs"]
mod requirements;
#[path = "tidy/rooms.rs"]
mod rooms;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/tree.rs"]
mod tree;

use tree::Tree;

#[test]
fn every_room_stands_on_a_level() {
    none(rooms::unplaced(&Tree::read()));
}

#[test]
fn imports_only_go_down() {
    none(rooms::upward(&Tree::read()));
}

#[test]
fn foreign_crates_stay_in_their_rooms() {
    none(rooms::strays(&Tree::read()));
}

#[test]
fn pure_rooms_touch_neither_clock_nor_network() {
    none(rooms::impure(&Tree::read()));
}

#[test]
fn files_are_short_enough_to_be_read() {
    none(shape::long_files(&Tree::read()));
}

#[test]
fn functions_fit_a_screen() {
    none(shape::long_functions(&Tree::read()));
}

#[test]
fn nothing_unwraps_outside_tests() {
    none(shape::unwraps(&Tree::read()));
}

#[test]
fn nothing_is_left_to_do() {
    none(shape::leftovers(&Tree::read()));
}

#[test]
fn every_module_says_what_it_is() {
    none(shape::silent_modules(&Tree::read()));
}

#[test]
fn links_lead_somewhere() {
    none(links::broken(&Tree::read()));
}

#[test]
fn documents_are_there_and_decisions_are_told() {
    let tree = Tree::read();
    none([documents::missing(&tree), documents::decisions(&tree), documents::names(&tree)].concat());
}

#[test]
fn requirements_are_all_there_and_told_as_the_tests_show_them() {
    let tree = Tree::read();
    none([requirements::incomplete(&tree), requirements::unshown(&tree), requirements::overstated(&tree)].concat());
}

#[test]
fn nothing_names_the_machine_it_was_made_on() {
    none(documents::machines(&Tree::read()));
}

#[track_caller]
fn none(findings: impl IntoIterator<Item = String>) {
    let findings: Vec<String> = findings.into_iter().collect();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}
