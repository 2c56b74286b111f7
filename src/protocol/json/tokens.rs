//! A scanner over JSON that a parser has already accepted.

/// One token; the texts are slices of the source, strings with their quotes and escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    ArrayStart,
    ArrayEnd,
    ObjectStart,
    ObjectEnd,
    Key(&'a str),
    Text(&'a str),
    Number(&'a str),
    True,
    False,
    Null,
}

/// Yields the tokens of valid JSON. Of other text it yields something, and ends.
#[derive(Debug, Clone)]
pub struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn skip_while(&mut self, skipped: impl Fn(u8) -> bool) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().position(|&byte| !skipped(byte)).unwrap_or(rest.len());
    }

    fn string(&mut self) -> Token<'a> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut end = start + 1;
        while end < bytes.len() && bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        self.at = bytes.len().min(end + 1);
        let raw = &self.text[start..self.at];
        self.skip_while(is_space);
        if bytes.get(self.at) == Some(&b':') { Token::Key(raw) } else { Token::Text(raw) }
    }

    fn bare_word(&mut self) -> Token<'a> {
        let start = self.at;
        self.skip_while(|byte| !is_space(byte) && !matches!(byte, b',' | b':' | b'[' | b']' | b'{' | b'}' | b'"'));
        match &self.text[start..self.at] {
            "true" => Token::True,
            "false" => Token::False,
            "null" => Token::Null,
            number => Token::Number(number),
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_while(|byte| is_space(byte) || byte == b',' || byte == b':');
        let sign = match self.text.as_bytes().get(self.at)? {
            b'[' => Token::ArrayStart,
            b']' => Token::ArrayEnd,
            b'{' => Token::ObjectStart,
            b'}' => Token::ObjectEnd,
            b'"' => return Some(self.string()),
            _ => return Some(self.bare_word()),
        };
        self.at += 1;
        Some(sign)
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
