//! How many records a second are kept.
//!
//! Invariants
//!   * In one second at most the bound and a tenth of it are taken, and two notices: one when the
//!     first record is left out, one later with how many were.
//!   * The tenth is for what is important: a module that chatters cannot hide its errors.

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is kept. So many were left out in the last second that had any.
    Take { left_out: u64 },
    /// It is left out, the first one of this second if `is_first`.
    LeaveOut { is_first: bool, max: u32 },
}

impl Verdict {
    /// What the log has to say about this.
    pub(super) fn notice(self) -> Option<String> {
        match self {
            Verdict::Take { left_out: 0 }
            | Verdict::LeaveOut {
                is_first: false, ..
            } => None,
            Verdict::Take { left_out } => Some(format!(
                "{left_out} records were left out: too many in one second"
            )),
            Verdict::LeaveOut { max, .. } => Some(format!(
                "more than {max} records in one second: the others of this second are left out"
            )),
        }
    }
}

/// Counts the records of a second.
#[derive(Debug)]
pub(super) struct Flood {
    /// 0 is no bound.
    max: u32,
    second: i64,
    taken: u32,
    left_out: u64,
}

impl Flood {
    pub(super) fn new(max: u32) -> Flood {
        Flood {
            max,
            second: i64::MIN,
            taken: 0,
            left_out: 0,
        }
    }

    /// What becomes of a record of this second.
    pub(super) fn judge(&mut self, second: i64, is_important: bool) -> Verdict {
        if self.max == 0 {
            return Verdict::Take { left_out: 0 };
        }
        let mut left_out = 0;
        if second != self.second {
            self.second = second;
            self.taken = 0;
            left_out = std::mem::take(&mut self.left_out);
        }
        let max = match is_important {
            true => self.max.saturating_add(self.max / 10),
            false => self.max,
        };
        if self.taken < max {
            self.taken += 1;
            return Verdict::Take { left_out };
        }
        self.left_out += 1;
        Verdict::LeaveOut {
            is_first: self.left_out == 1,
            max: self.max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAKE: Verdict = Verdict::Take { left_out: 0 };

    #[test]
    fn a_second_has_a_bound_and_errors_a_tenth_more() {
        let mut flood = Flood::new(20);
        for _ in 0..20 {
            assert_eq!(flood.judge(5, false), TAKE);
        }
        let first = flood.judge(5, false);
        assert_eq!(
            first,
            Verdict::LeaveOut {
                is_first: true,
                max: 20
            }
        );
        assert!(
            first
                .notice()
                .is_some_and(|text| text.contains("more than 20"))
        );
        assert_eq!(flood.judge(5, false).notice(), None);
        assert_eq!(flood.judge(5, true), TAKE);
        assert_eq!(flood.judge(5, true), TAKE);
        assert!(matches!(flood.judge(5, true), Verdict::LeaveOut { .. }));
        let next = flood.judge(9, false);
        assert_eq!(next, Verdict::Take { left_out: 3 });
        assert!(
            next.notice()
                .is_some_and(|text| text.starts_with("3 records"))
        );
        assert_eq!(flood.judge(9, false), TAKE);
    }

    #[test]
    fn without_a_bound_all_are_taken() {
        let mut flood = Flood::new(0);
        for _ in 0..100_000 {
            assert_eq!(flood.judge(1, false), TAKE);
        }
    }

    #[test]
    fn a_clock_that_goes_back_starts_another_second() {
        let mut flood = Flood::new(1);
        assert_eq!(flood.judge(7, false), TAKE);
        assert!(matches!(flood.judge(7, false), Verdict::LeaveOut { .. }));
        assert_eq!(flood.judge(3, false), Verdict::Take { left_out: 1 });
    }
}
