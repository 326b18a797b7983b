//! What the module said.

use serde_json::Value;
use spacetime_types::Timestamp;

/// One line of the module's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// `Error`, `Warn`, `Info`, `Debug`, `Trace` or `Panic`.
    pub level: String,
    pub message: String,
    /// The reducer, view or procedure that ran.
    pub function: Option<String>,
    /// Usually the crate that said it; `__spacetimedb__` for the database itself.
    pub target: Option<String>,
    pub filename: Option<String>,
    pub line_number: Option<u32>,
    pub time: Timestamp,
}

impl LogLine {
    /// Errors and panics.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.level == "Error" || self.level == "Panic"
    }

    /// Lines as they are stored, one JSON object each.
    pub(crate) fn parse_all(text: &[u8]) -> Vec<LogLine> {
        let lines = text.split(|byte| *byte == b'\n');
        let records = lines.filter(|line| !line.is_empty());
        records.filter_map(LogLine::parse).collect()
    }

    fn parse(line: &[u8]) -> Option<LogLine> {
        let record: Value = serde_json::from_slice(line).ok()?;
        let text = |key: &str| record.get(key)?.as_str().map(str::to_owned);
        let number = |key: &str| record.get(key)?.as_i64();
        Some(LogLine {
            level: text("level")?,
            message: text("message")?,
            function: text("function"),
            target: text("target"),
            filename: text("filename"),
            line_number: number("line_number").and_then(|line| u32::try_from(line).ok()),
            time: Timestamp::from_micros(number("ts")?),
        })
    }
}

impl std::fmt::Display for LogLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ", self.level)?;
        if let Some(function) = &self.function {
            write!(f, "[{function}] ")?;
        }
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_shown() {
        let text = br#"{"level":"Info","ts":5,"function":"add","line_number":7,"message":"hi"}
{"level":"Panic","ts":6,"message":"kaput","trace":[]}
"#;
        let lines = LogLine::parse_all(text);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].to_string(), "Info: [add] hi");
        assert_eq!((lines[0].line_number, lines[0].is_bad()), (Some(7), false));
        assert_eq!(lines[1].to_string(), "Panic: kaput");
        assert!(lines[1].is_bad());
        assert_eq!(lines[1].time, Timestamp::from_micros(6));
    }
}
