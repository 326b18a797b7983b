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
fn a_public_key_alone_is_an_error_and_nothing_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let (private, public) = (
        folder.path().join("id_ecdsa"),
        folder.path().join("id_ecdsa.pub"),
    );
    KeyPair::load_or_generate(&private, &public).expect("a new pair");
    fs::remove_file(&private).expect("removed");
    let error = KeyPair::load_or_generate(&private, &public).expect_err("half a pair");
    assert!(
        matches!(&error, KeyPairError::Half { there, .. } if there == &public),
        "{error}"
    );
    assert!(!private.exists());
}

#[test]
fn a_start_that_was_killed_between_the_files_is_completed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (private, public) = (
        folder.path().join("id_ecdsa"),
        folder.path().join("id_ecdsa.pub"),
    );
    // Killed while the first file was written: nothing is there under its name.
    fs::write(folder.path().join("id_ecdsa.new"), "-----BEG").expect("written");
    let made = KeyPair::load_or_generate(&private, &public).expect("a new pair");
    // Killed before the second.
    fs::remove_file(&public).expect("removed");
    fs::write(folder.path().join("id_ecdsa.pub.new"), "").expect("written");
    let again = KeyPair::load_or_generate(&private, &public).expect("completed");
    assert_eq!(again.private_pem(), made.private_pem());
    let stored = fs::read_to_string(&public).expect("the file");
    assert_eq!(stored, made.public_pem());
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 2);
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
