//! Enough of Rust's lexical rules to look at identifiers alone.

/// An identifier or a single punctuation character, with its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) line: usize,
}

/// Source text with comments, literals and test-only items blanked; lines keep their numbers.
pub(super) fn production(source: &str) -> String {
    without_tests(&without_prose(source))
}

/// Identifiers and punctuation in order; numbers and spaces are left out.
pub(super) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut chars = code.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        if c == '\n' {
            line += 1;
        } else if c.is_alphanumeric() || c == '_' {
            let mut end = start + c.len_utf8();
            while let Some((at, c)) = chars.next_if(|(_, c)| c.is_alphanumeric() || *c == '_') {
                end = at + c.len_utf8();
            }
            if !c.is_ascii_digit() {
                found.push(Token { text: &code[start..end], line });
            }
        } else if !c.is_whitespace() {
            found.push(Token { text: &code[start..start + c.len_utf8()], line });
        }
    }
    found
}

/// Lower-case words of an identifier: `L2Height` and `l2_height` give `l2`, `height`.
pub(super) fn words(identifier: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before_lower = false;
    for c in identifier.chars() {
        let starts = c == '_' || (c.is_uppercase() && before_lower);
        if starts {
            words.push(String::new());
        }
        if c != '_' {
            words.last_mut().expect("never empty").extend(c.to_lowercase());
        }
        before_lower = c.is_lowercase() || c.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Blanks comments, strings and character literals.
fn without_prose(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = source.as_bytes().to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = prose_end(bytes, at);
        let Some(end) = end else {
            at += 1;
            continue;
        };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    String::from_utf8(out).expect("whole literals and comments were replaced by spaces")
}

/// Where the comment or literal that starts at `at` ends, if one starts there.
fn prose_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let glued = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    if rest.starts_with(b"//") {
        return Some(at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()));
    }
    if rest.starts_with(b"/*") {
        return Some(at + block_comment(rest));
    }
    if rest[0] == b'"' {
        return Some(at + quoted(rest, b'"'));
    }
    if rest[0] == b'r' && (!glued || bytes[at - 1] == b'b' || bytes[at - 1] == b'c') {
        return raw_string(rest).map(|length| at + length);
    }
    if rest[0] == b'\'' {
        // A lifetime has no closing quote after one character.
        let escaped = rest.get(1) == Some(&b'\\');
        let closes = rest.iter().skip(2).take(4).position(|byte| *byte == b'\'');
        let one_char = std::str::from_utf8(&rest[1..closes.map_or(1, |p| p + 2)])
            .is_ok_and(|inside| inside.chars().count() == 1);
        return (escaped || one_char).then(|| at + quoted(rest, b'\''));
    }
    None
}

fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let body = 2 + hashes;
    let end = rest[body..].windows(close.len()).position(|window| window == close);
    Some(end.map_or(rest.len(), |end| body + end + close.len()))
}

/// Blanks every item that stands under `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = rest.find(MARK) {
        let (before, item) = rest.split_at(start);
        let end = item_end(item);
        out.push_str(before);
        out.extend(item[..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &item[end..];
    }
    out.push_str(rest);
    out
}

/// Length of an item: to its closing brace, or to a semicolon before any brace.
fn item_end(item: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in item.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    item.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, expected: &[&str]) {
        let code = production(source);
        let found: Vec<&str> =
            tokens(&code).iter().map(|token| token.text).filter(|text| text.len() > 1).collect();
        assert_eq!(found, expected, "in {source}");
    }

    #[test]
    fn comments_are_not_code() {
        check(
            "fn one() {} // two\n/* three /* four */ five */ fn six() {}",
            &["fn", "one", "fn", "six"],
        );
    }

    #[test]
    fn literals_are_not_code() {
        check(
            r##"let aa = "bb \" cc"; let dd = r#"ee " ff"#; let gg = b"hh";"##,
            &["let", "aa", "let", "dd", "let", "gg"],
        );
    }

    #[test]
    fn a_lifetime_is_not_a_character() {
        check(
            "fn one<'aa>(two: &'aa str) { if three == 'x' || four == '\\'' {} }",
            &["fn", "one", "aa", "two", "aa", "str", "if", "three", "four"],
        );
    }

    #[test]
    fn tests_are_not_production() {
        check(
            "fn one() {}\n#[cfg(test)]\nmod tests { fn two() { {} } }\nfn three() {}",
            &["fn", "one", "fn", "three"],
        );
        check("#[cfg(test)]\nmod tests;\nfn one() {}", &["fn", "one"]);
    }

    #[test]
    fn identifiers_fall_into_words() {
        assert_eq!(words("L2Height"), ["l2", "height"]);
        assert_eq!(words("to_l2_block"), ["to", "l2", "block"]);
        assert_eq!(words("RollupRules"), ["rollup", "rules"]);
        assert_eq!(words("BLOB_SIZE"), ["blob", "size"]);
    }
}
