//! Cuts a stream of bytes into JSON objects and lists.

/// What has come and is not yet a whole message.
#[derive(Debug)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    /// Where the next message begins.
    start: usize,
    /// So much has been looked at.
    seen: usize,
    depth: usize,
    place: Place,
    limit: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Between messages, or between the tokens of one.
    Plain,
    Text,
    /// In a text, after a backslash.
    Escape,
}

/// What comes is no sequence of JSON objects and lists, or one of them is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken;

impl Frames {
    /// Messages of at most `limit` bytes.
    pub(crate) const fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, seen: 0, depth: 0, place: Place::Plain, limit }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.seen -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message, once it is there. Only brackets and texts are understood: whether the rest is JSON is for
    /// whoever reads the message.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        while let Some(byte) = self.bytes.get(self.seen).copied() {
            self.seen += 1;
            if self.depth == 0 && byte.is_ascii_whitespace() {
                self.start = self.seen;
                continue;
            }
            if self.seen - self.start > self.limit {
                return Err(Broken);
            }
            self.step(byte)?;
            if self.depth == 0 {
                let message = self.bytes[self.start..self.seen].to_vec();
                self.start = self.seen;
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    fn step(&mut self, byte: u8) -> Result<(), Broken> {
        match (self.place, byte) {
            (Place::Text, b'\\') => self.place = Place::Escape,
            (Place::Text, b'"') => self.place = Place::Plain,
            (Place::Escape | Place::Text, _) => self.place = Place::Text,
            (Place::Plain, b'{' | b'[') => self.depth += 1,
            (Place::Plain, _) if self.depth == 0 => return Err(Broken),
            (Place::Plain, b'}' | b']') => self.depth -= 1,
            (Place::Plain, byte) => {
                if byte == b'"' {
                    self.place = Place::Text;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(stream: &str, expected: Result<&[&str], &[&str]>) {
        for step in 1..=stream.len() {
            let mut frames = Frames::new(32);
            let mut found = Vec::new();
            let mut broken = false;
            'all: for chunk in stream.as_bytes().chunks(step) {
                frames.push(chunk);
                loop {
                    match frames.next() {
                        Ok(Some(message)) => found.push(String::from_utf8(message).unwrap()),
                        Ok(None) => break,
                        Err(Broken) => {
                            broken = true;
                            break 'all;
                        }
                    }
                }
            }
            let found: Vec<_> = found.iter().map(String::as_str).collect();
            let got = if broken { Err(&found[..]) } else { Ok(&found[..]) };
            assert_eq!(got, expected, "in steps of {step}");
        }
    }

    #[test]
    fn messages_follow_each_other_with_or_without_space() {
        check(r#"{"a":1}[2] {"b":[{}]}"#, Ok(&[r#"{"a":1}"#, "[2]", r#"{"b":[{}]}"#]));
        check("\n\n{}\n", Ok(&["{}"]));
    }

    #[test]
    fn brackets_in_texts_are_no_brackets() {
        check(r#"{"a":"}\"]\\"}{}"#, Ok(&[r#"{"a":"}\"]\\"}"#, "{}"]));
    }

    #[test]
    fn what_is_no_object_breaks_the_stream() {
        check("{}7{}", Err(&["{}"]));
        check("}", Err(&[]));
    }

    #[test]
    fn a_message_that_is_too_long_breaks_the_stream() {
        check(&format!("{{}}[\"{}\"]", "x".repeat(40)), Err(&["{}"]));
    }

    proptest! {
        #[test]
        fn any_json_comes_out_as_it_went_in(
            texts in proptest::collection::vec(".{0,12}", 1..6), step in 1usize..9,
        ) {
            let messages: Vec<_> = texts
                .iter()
                .map(|text| serde_json::json!({text: [text, {"x": text}]}).to_string())
                .collect();
            let stream = messages.join(" ");
            let mut frames = Frames::new(10_000);
            let mut found = Vec::new();
            for chunk in stream.as_bytes().chunks(step) {
                frames.push(chunk);
                while let Some(message) = frames.next().unwrap() {
                    found.push(String::from_utf8(message).unwrap());
                }
            }
            prop_assert_eq!(found, messages);
        }
    }
}
