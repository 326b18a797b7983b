//! Names of files in the snapshot directory: a number of 20 digits and an extension, so that
//! names sort as numbers do. Files with other names are not ours and are left alone.

use spacetime_types::TxOffset;

const DIGITS: usize = 20;
const MANIFEST: &str = ".manifest";
const PACK: &str = ".pack";
const UNFINISHED: &str = ".manifest.tmp";

/// What a name in the directory stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Manifest(TxOffset),
    Pack(u64),
    /// A manifest that was never finished.
    Unfinished,
}

pub(crate) fn manifest(offset: TxOffset) -> String {
    format!("{:020}{MANIFEST}", offset.0)
}

pub(crate) fn unfinished(offset: TxOffset) -> String {
    format!("{:020}{UNFINISHED}", offset.0)
}

pub(crate) fn pack(number: u64) -> String {
    format!("{number:020}{PACK}")
}

pub(crate) fn parse(name: &str) -> Option<FileKind> {
    let (digits, extension) = name.split_at_checked(DIGITS)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match extension {
        MANIFEST => Some(FileKind::Manifest(TxOffset(number))),
        PACK => Some(FileKind::Pack(number)),
        UNFINISHED => Some(FileKind::Unfinished),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for number in [0, 7, u64::MAX] {
            let offset = TxOffset(number);
            assert_eq!(parse(&manifest(offset)), Some(FileKind::Manifest(offset)));
            assert_eq!(parse(&pack(number)), Some(FileKind::Pack(number)));
            assert_eq!(parse(&unfinished(offset)), Some(FileKind::Unfinished));
        }
    }

    #[test]
    fn other_names_are_not_ours() {
        let others = [
            "",
            "7.pack",
            "00000000000000000005.snapshot_dir",
            "99999999999999999999.pack",
            "+0000000000000000001.pack",
            "00000000000000000005.PACK",
            "00000000000000000005.manifest.tmp2",
        ];
        for name in others {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
