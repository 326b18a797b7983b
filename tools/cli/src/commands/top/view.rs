//! What is shown, as lines of text: the same on a terminal and without one.

use std::cmp::Reverse;

use super::sample::{Activity, DatabaseActivity};

/// Narrowest column of names.
const NAME_CHARS_MIN: usize = 16;

/// By what the databases are sorted, the most first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Order {
    #[default]
    Transactions,
    Clients,
    Time,
    Name,
}

impl Order {
    pub(super) fn next(self) -> Self {
        match self {
            Order::Transactions => Order::Clients,
            Order::Clients => Order::Time,
            Order::Time => Order::Name,
            Order::Name => Order::Transactions,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Order::Transactions => "transactions",
            Order::Clients => "clients",
            Order::Time => "time",
            Order::Name => "name",
        }
    }

    fn sort(self, databases: &mut [&DatabaseActivity]) {
        // Whole numbers are exact enough to sort by.
        let key = |of: fn(&DatabaseActivity) -> f64| {
            move |it: &&DatabaseActivity| (Reverse((of(it) * 1000.0) as u64), it.name.clone())
        };
        match self {
            Order::Transactions => databases.sort_by_key(key(|it| it.transactions)),
            Order::Clients => databases.sort_by_key(key(|it| it.clients)),
            Order::Time => databases.sort_by_key(key(|it| it.transaction_ms * it.transactions)),
            Order::Name => databases.sort_by_key(|it| it.name.clone()),
        }
    }
}

/// The numbers of one database, right of its name.
type Column = (&'static str, usize, fn(&DatabaseActivity) -> String);

const COLUMNS: [Column; 9] = [
    ("CLIENTS", 8, |it| count(it.clients)),
    ("TX/S", 9, |it| count(it.transactions)),
    ("TX MS", 8, |it| format!("{:.3}", it.transaction_ms)),
    ("QUERIES", 8, |it| count(it.queries)),
    ("UPDATES/S", 10, |it| count(it.updates)),
    ("CHANGES/S", 9, |it| count(it.rows)),
    ("WAITING", 8, |it| count(it.waiting)),
    ("OUTGOING", 10, |it| bytes(it.outgoing_bytes)),
    ("MODULE", 10, |it| bytes(it.memory_bytes)),
];

/// What does not come from the server's numbers.
#[derive(Debug, Clone)]
pub(super) struct View {
    url: String,
    pub(super) order: Order,
    pub(super) is_paused: bool,
    /// Why there are no newer numbers.
    pub(super) trouble: Option<String>,
}

impl View {
    pub(super) fn new(url: &str, order: Order) -> Self {
        View {
            url: url.to_owned(),
            order,
            is_paused: false,
            trouble: None,
        }
    }

    /// At most so many lines of so many letters.
    pub(super) fn lines(&self, activity: &Activity, width: usize, height: usize) -> Vec<String> {
        let mut lines = vec![self.summary(activity), String::new()];
        let names = activity.databases.iter().map(|it| it.name.chars().count());
        let name_width = names.max().unwrap_or(0).max(NAME_CHARS_MIN);
        let row = |name: &str, cell: &dyn Fn(&Column) -> String| {
            let mut line = format!("{name:name_width$}");
            for column in &COLUMNS {
                let (_, width, _) = column;
                line.push_str(&format!(" {:>width$}", cell(column)));
            }
            line
        };
        lines.push(row("DATABASE", &|(name, _, _)| (*name).to_owned()));
        let mut databases: Vec<&DatabaseActivity> = activity.databases.iter().collect();
        self.order.sort(&mut databases);
        for database in databases {
            lines.push(row(&database.name, &|(_, _, of)| of(database)));
        }
        if activity.databases.is_empty() {
            lines.push("no database is running".to_owned());
        }
        lines.truncate(height);
        let cut = |line: String| match line.char_indices().nth(width) {
            Some((at, _)) => line[..at].to_owned(),
            None => line,
        };
        lines.into_iter().map(cut).collect()
    }

    fn summary(&self, activity: &Activity) -> String {
        let mut parts = vec![
            self.url.clone(),
            format!("{} databases", activity.databases.len()),
            format!("{} clients", count(activity.sum(|it| it.clients))),
            format!("{} tx/s", count(activity.sum(|it| it.transactions))),
        ];
        if let Some(memory) = activity.memory_bytes {
            parts.push(format!("{} memory", bytes(memory)));
        }
        if let Some(cpus) = activity.cpus {
            parts.push(format!("{cpus:.2} cpus"));
        }
        parts.join("  ")
    }

    /// The last line of the screen.
    pub(super) fn footer(&self) -> String {
        let state = match (&self.trouble, self.is_paused) {
            (Some(trouble), _) => format!("  {trouble}"),
            (None, true) => "  paused".to_owned(),
            (None, false) => String::new(),
        };
        format!("q quit  s sort (by {})  p pause{state}", self.order.name())
    }
}

/// A number for people: `12`, `3.4k`, `5.6M`.
fn count(number: f64) -> String {
    match number {
        number if number >= 1e6 => format!("{:.1}M", number / 1e6),
        number if number >= 1e4 => format!("{:.1}k", number / 1e3),
        number if number > 0.0 && number < 10.0 && number.fract() > 0.0 => format!("{number:.1}"),
        number => format!("{number:.0}"),
    }
}

fn bytes(number: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut number = number;
    let mut unit = units[0];
    for larger in &units[1..] {
        if number < 1024.0 {
            break;
        }
        number /= 1024.0;
        unit = larger;
    }
    match unit {
        "B" => format!("{number:.0} B"),
        unit => format!("{number:.1} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::activity;
    use super::*;

    #[test]
    fn lines_fit_and_say_everything() {
        let view = View::new("http://h", Order::default());
        let lines = view.lines(&activity(), usize::MAX, usize::MAX);
        assert_eq!(
            lines[0],
            "http://h  1 databases  3 clients  100 tx/s  1.0 MiB memory  0.50 cpus"
        );
        let words: Vec<&str> = lines[3].split_whitespace().collect();
        assert_eq!(
            words,
            [
                "chat", "3", "100", "2.500", "0", "0", "0", "0", "0", "B", "0", "B"
            ]
        );
        let small = view.lines(&activity(), 10, 3);
        assert_eq!(small.len(), 3);
        assert!(small.iter().all(|line| line.chars().count() <= 10));
        let none = Activity {
            databases: Vec::new(),
            memory_bytes: None,
            cpus: None,
        };
        assert!(
            view.lines(&none, 80, 24)
                .contains(&"no database is running".to_owned())
        );
    }

    #[test]
    fn databases_are_sorted_by_what_was_chosen() {
        let base = activity().databases.remove(0);
        let database = |name: &str, clients, transactions| DatabaseActivity {
            name: name.to_owned(),
            clients,
            transactions,
            ..base.clone()
        };
        let all = [
            database("b", 9.0, 0.2),
            database("a", 1.0, 0.4),
            database("c", 1.0, 0.0),
        ];
        let by = |order: Order| {
            let mut sorted: Vec<&DatabaseActivity> = all.iter().collect();
            order.sort(&mut sorted);
            let names: Vec<&str> = sorted.iter().map(|it| it.name.as_str()).collect();
            names.concat()
        };
        assert_eq!(by(Order::Transactions), "abc");
        assert_eq!(by(Order::Clients), "bac");
        assert_eq!(by(Order::Name), "abc");
        assert_eq!(by(Order::Time), "abc");
    }

    #[test]
    fn numbers_are_short() {
        for (number, expected) in [(0.0, "0"), (0.25, "0.2"), (12.4, "12"), (12345.0, "12.3k")] {
            assert_eq!(count(number), expected);
        }
        assert_eq!(count(7_650_000.0), "7.7M");
        assert_eq!(bytes(100.0), "100 B");
        assert_eq!(bytes(1536.0), "1.5 KiB");
        assert_eq!(bytes(3.0 * 1024.0 * 1024.0 * 1024.0), "3.0 GiB");
    }
}
