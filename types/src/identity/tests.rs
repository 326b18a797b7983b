use crate::{AlgebraicValue, ConnectionId, Hash, Identity, bsatn};

#[test]
fn identities_are_derived_from_claims() {
    let check = |issuer: &str, subject: &str, expected: &str| {
        assert_eq!(Identity::from_claims(issuer, subject).to_hex(), expected);
    };
    check(
        "http://localhost",
        "alice",
        "c2005bed7d1568285f2d8c211c9464ba93678ff552324a0d04c83bbeaabd6b96",
    );
    check(
        "https://auth.spacetimedb.com",
        "sub",
        "c20023c3eceb572b3a529c1415aae1ec125fdee779d5072cda48d69e8fc39b46",
    );
    check(
        "iss",
        "sub",
        "c200ab2c3e517459050a04d810f4b299db1dfd5087e90dfcf8d192a9cde0ee7d",
    );
    check(
        "",
        "",
        "c200a759fb94a9e297433bebb02948c311291ae6291a1666f9e697a56b430501",
    );
    let separator_in_issuer = "c200c680dcde2249aead8c9f980d5006e58d722de6cf3ef6bbb232851a796d9b";
    check("a|b", "c", separator_in_issuer);
    check("a", "b|c", separator_in_issuer);
}

#[test]
fn hex_texts() {
    let hex = "00010203040506070809".to_owned() + &"Ab".repeat(22);
    let identity = Identity::from_hex(&hex).unwrap();
    assert_eq!(identity.to_string(), hex.to_lowercase());
    assert_eq!(identity.to_abbreviated_hex(), "0001020304050607");
    assert_eq!(Identity::from_hex(&format!("0x{hex}")), Ok(identity));
    for bad in [
        "",
        "0x",
        &hex[2..],
        &format!("0X{hex}"),
        &format!("X'{hex}'"),
    ] {
        assert!(Identity::from_hex(bad).is_err(), "{bad}");
    }
    assert!(Identity::from_hex(&"g0".repeat(32)).is_err());
    assert!(Identity::from_hex(&"\u{e9}".repeat(32)).is_err());
    let error = ConnectionId::from_hex("12").unwrap_err().to_string();
    assert!(error.starts_with("ConnectionIds must be 32 hex characters (16 bytes) in length."));
    assert_eq!(
        ConnectionId(0xab).to_hex(),
        "000000000000000000000000000000ab"
    );
    assert!(Hash::from_hex(&format!("0x{}", "00".repeat(32))).is_err());
}

#[test]
fn keccak_hashes() {
    let hello = "1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8";
    assert_eq!(Hash::of(b"hello").to_hex(), hello);
    assert_eq!(Hash::from_hex(hello), Ok(Hash::of(b"hello")));
    assert_eq!(
        Hash::of(b"").to_hex(),
        "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    );
    let value = AlgebraicValue::from(Hash::of(b"hello"));
    assert_eq!(bsatn::to_vec(&value), Hash::of(b"hello").0);
}

#[test]
fn view_argument_hashes() {
    let check = |args: &[u8], expected: &str| {
        assert_eq!(Hash::of_view_args(args).to_hex(), expected);
    };
    check(
        b"",
        "e8b8b119022591171d4b06f6240a1ee6c7a4b209b187d2e07b973c1e54e2e8b2",
    );
    let sender = |hex: &str| bsatn::to_vec(&Identity::from_hex(hex).unwrap());
    check(
        &sender(&format!("{:064x}", 1)),
        "1a6a47c9ffc9971559c902607f0a7fe219042dc8279f470e4463c746479f4e46",
    );
    check(
        &sender("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
        "506d9973347df48dca45d409ffb7c46318f4e4626247dfd6770aa108484317c6",
    );
}
