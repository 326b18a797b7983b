use super::*;

#[test]
fn header_is_the_published_one() {
    let header = encode_header();
    assert_eq!(header, *b"\x28\x64\x73\x29\x5e\x32\x01\x00\x00\x00");
    assert_eq!(decode_header(&header), Ok(Version::V1));
}

#[test]
fn reserved_bytes_are_ignored_and_everything_else_is_not() {
    for at in 0..HEADER_LEN {
        for bit in 0..8 {
            let mut header = encode_header();
            header[at] ^= 1 << bit;
            let result = decode_header(&header);
            match at {
                8 | 9 => assert_eq!(result, Ok(Version::V1)),
                6 if bit == 0 => assert_eq!(result, Ok(Version::V0)),
                6 => assert!(matches!(result, Err(HeaderError::UnknownVersion { .. }))),
                7 => assert!(matches!(result, Err(HeaderError::UnknownChecksum { .. }))),
                _ => assert_eq!(result, Err(HeaderError::NotASegment)),
            }
        }
    }
}

#[test]
fn names_are_padded_and_only_padded_names_count() {
    let cases = [
        ("00000000000000000000.stdb.log", Some(0)),
        ("00000000000000000042.stdb.log", Some(42)),
        ("18446744073709551615.stdb.log", Some(u64::MAX)),
        ("18446744073709551616.stdb.log", None),
        ("+0000000000000000042.stdb.log", None),
        ("0.stdb.log", None),
        ("00000000000000000000.stdb.ofs", None),
        ("00000000000000000000.stdb.new", None),
        ("", None),
    ];
    for (name, expected) in cases {
        assert_eq!(parse_file_name(name), expected.map(TxOffset), "{name}");
    }
    assert_eq!(parse_file_name(&file_name(TxOffset(7))), Some(TxOffset(7)));
}
