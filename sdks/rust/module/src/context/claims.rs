//! The few claims of a token that have a meaning here, read from its JSON.
//!
//! Only strings and lists of strings are kept; everything else is stepped over. Nesting is bounded.

/// How deep lists and objects may lie in one another.
const DEPTH_MAX: u32 = 64;

/// What a token says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    pub subject: Option<String>,
    pub issuer: Option<String>,
    pub audience: Vec<String>,
}

/// A value, as far as it matters.
enum Value {
    Text(String),
    Texts(Vec<String>),
    Other,
}

/// None if the text is not a JSON object.
pub(super) fn parse(json: &str) -> Option<Claims> {
    let mut scanner = Scanner {
        rest: json.trim_start(),
    };
    let mut claims = Claims::default();
    scanner.object(0, &mut |name, value| match (name.as_str(), value) {
        ("sub", Value::Text(text)) => claims.subject = Some(text),
        ("iss", Value::Text(text)) => claims.issuer = Some(text),
        ("aud", Value::Text(text)) => claims.audience = vec![text],
        ("aud", Value::Texts(texts)) => claims.audience = texts,
        _ => {}
    })?;
    scanner.rest.trim().is_empty().then_some(claims)
}

struct Scanner<'a> {
    rest: &'a str,
}

impl Scanner<'_> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Steps over this character, and the blanks around it.
    fn symbol(&mut self, symbol: char) -> Option<()> {
        self.skip_blanks();
        self.rest = self.rest.strip_prefix(symbol)?;
        self.skip_blanks();
        Some(())
    }

    fn object(&mut self, depth: u32, each: &mut dyn FnMut(String, Value)) -> Option<()> {
        self.symbol('{')?;
        if self.symbol('}').is_some() {
            return Some(());
        }
        loop {
            self.skip_blanks();
            let name = self.text()?;
            self.symbol(':')?;
            let value = self.value(depth)?;
            each(name, value);
            if self.symbol('}').is_some() {
                return Some(());
            }
            self.symbol(',')?;
        }
    }

    fn list(&mut self, depth: u32) -> Option<Value> {
        self.symbol('[')?;
        let mut texts = Some(Vec::new());
        if self.symbol(']').is_some() {
            return Some(Value::Texts(Vec::new()));
        }
        loop {
            match (self.value(depth)?, &mut texts) {
                (Value::Text(text), Some(texts)) => texts.push(text),
                _ => texts = None,
            }
            if self.symbol(']').is_some() {
                return Some(texts.map_or(Value::Other, Value::Texts));
            }
            self.symbol(',')?;
        }
    }

    fn value(&mut self, depth: u32) -> Option<Value> {
        if DEPTH_MAX <= depth {
            return None;
        }
        self.skip_blanks();
        match self.rest.chars().next()? {
            '"' => self.text().map(Value::Text),
            '{' => {
                self.object(depth + 1, &mut |_, _| {})?;
                Some(Value::Other)
            }
            '[' => self.list(depth + 1),
            _ => {
                let end = self.rest.find([',', ']', '}']).unwrap_or(self.rest.len());
                let (word, rest) = self.rest.split_at(end);
                self.rest = rest;
                let word = word.trim_end();
                let known = ["true", "false", "null"].contains(&word);
                (known || word.parse::<f64>().is_ok()).then_some(Value::Other)
            }
        }
    }

    fn text(&mut self) -> Option<String> {
        self.rest = self.rest.strip_prefix('"')?;
        let mut text = String::new();
        loop {
            let end = self.rest.find(['"', '\\'])?;
            text.push_str(&self.rest[..end]);
            let closed = self.rest[end..].starts_with('"');
            self.rest = &self.rest[end + 1..];
            if closed {
                return Some(text);
            }
            text.push(self.escaped()?);
        }
    }

    /// What follows a backslash.
    fn escaped(&mut self) -> Option<char> {
        let letter = self.rest.chars().next()?;
        self.rest = &self.rest[letter.len_utf8()..];
        Some(match letter {
            '"' | '\\' | '/' => letter,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let unit = self.unit()?;
                match unit {
                    0xd800..0xdc00 => {
                        self.rest = self.rest.strip_prefix("\\u")?;
                        let low = self
                            .unit()?
                            .checked_sub(0xdc00)
                            .filter(|low| *low < 0x400)?;
                        char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + low)?
                    }
                    unit => char::from_u32(unit)?,
                }
            }
            _ => return None,
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u32> {
        let (digits, rest) = self.rest.split_at_checked(4)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        self.rest = rest;
        u32::from_str_radix(digits, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, subject: &str, issuer: &str, audience: &[&str]) {
        let expected = Claims {
            subject: Some(subject.to_owned()),
            issuer: Some(issuer.to_owned()),
            audience: audience.iter().map(|text| (*text).to_owned()).collect(),
        };
        assert_eq!(parse(json), Some(expected), "{json}");
    }

    #[test]
    fn claims_among_others() {
        check(
            r#" {"hex_identity":"c2","sub":"me","iss":"http://here","aud":["a","b"],
                "iat":1,"exp":null,"extra":{"sub":[{"iss":"no"}, -1.5e3, true]}} "#,
            "me",
            "http://here",
            &["a", "b"],
        );
        check(
            r#"{"aud":"one","iss":"","sub":"\"\u00e4\ud83c\udf4c\n\\"}"#,
            "\"\u{e4}\u{1f34c}\n\\",
            "",
            &["one"],
        );
        check(r#"{"aud":[],"iss":"i","sub":"s"}"#, "s", "i", &[]);
        check(r#"{"aud":[1,"x"],"iss":"i","sub":"s"}"#, "s", "i", &[]);
        assert_eq!(parse("{}"), Some(Claims::default()));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(1000), "]".repeat(1000));
        let refused = [
            "",
            "[]",
            "{",
            "{}x",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":b}",
            "{\"a\":\"",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":\"\\u00g0\"}",
            "{\"a\":1,}",
            deep.as_str(),
        ];
        for json in refused {
            assert_eq!(parse(json), None, "{json}");
        }
    }
}
