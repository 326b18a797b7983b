use super::*;

#[test]
fn makes_a_pair_once_and_reads_it_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (private, public) = (
        folder.path().join("k/id_ecdsa"),
        folder.path().join("k/id_ecdsa.pub"),
    );
    let made = KeyPair::load_or_generate(&private, &public).expect("a new pair");
    assert!(
        made.private_pem()
            .starts_with("-----BEGIN PRIVATE KEY-----\n")
    );
    assert!(
        made.public_pem()
            .starts_with("-----BEGIN PUBLIC KEY-----\n")
    );
    let read = KeyPair::load_or_generate(&private, &public).expect("the same pair");
    assert_eq!(read.private_pem(), made.private_pem());
    assert_eq!(read.public_pem(), made.public_pem());
    assert_eq!(
        fs::read_to_string(&public).expect("the file"),
        made.public_pem()
    );
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_private_key() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let (private, public) = (
        folder.path().join("id_ecdsa"),
        folder.path().join("id_ecdsa.pub"),
    );
    KeyPair::load_or_generate(&private, &public).expect("a new pair");
    let mode = fs::metadata(&private)
        .expect("the file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn one_file_alone_is_an_error_and_nothing_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let (private, public) = (
        folder.path().join("id_ecdsa"),
        folder.path().join("id_ecdsa.pub"),
    );
    KeyPair::load_or_generate(&private, &public).expect("a new pair");
    for (keep, lose) in [(&private, &public), (&public, &private)] {
        let saved = fs::read(lose).expect("the file");
        fs::remove_file(lose).expect("removed");
        let error = KeyPair::load_or_generate(&private, &public).expect_err("half a pair");
        assert!(
            matches!(&error, KeyPairError::Half { there, .. } if there == keep),
            "{error}"
        );
        assert!(!lose.exists());
        fs::write(lose, saved).expect("restored");
    }
}

#[test]
fn damaged_and_mismatched_files_are_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let (private, public) = (
        folder.path().join("id_ecdsa"),
        folder.path().join("id_ecdsa.pub"),
    );
    KeyPair::load_or_generate(&private, &public).expect("a new pair");
    fs::write(&public, KeyPair::generate().public_pem()).expect("replaced");
    let error = KeyPair::load_or_generate(&private, &public).expect_err("another's key");
    assert!(matches!(error, KeyPairError::Mismatch { .. }), "{error}");
    fs::write(&public, "not a key").expect("replaced");
    let error = KeyPair::load_or_generate(&private, &public).expect_err("damaged");
    assert!(
        matches!(error, KeyPairError::Damaged { kind: "public", .. }),
        "{error}"
    );
}

#[test]
fn the_debug_form_hides_the_private_key() {
    let pair = KeyPair::generate();
    let shown = format!("{pair:?}");
    assert!(!shown.contains("PRIVATE"), "{shown}");
    assert!(!shown.contains("SecretKey"), "{shown}");
}
