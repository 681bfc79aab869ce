//! Nothing in the repository tells of where it was made, and no secret or personal path is in it.

use crate::{files, root};

#[test]
fn no_personal_path_and_no_private_key_is_in_the_repository() {
    let home = ["/ho", "me/"].concat();
    let forbidden = [
        ["/wo", "rk/"].concat(),
        ["/ro", "ot/"].concat(),
        ["BEGIN RSA PRIVATE", " KEY"].concat(),
        ["gh", "p_"].concat(),
        ["AKIA", "IOSF"].concat(),
        home,
    ];
    let mut found = Vec::new();
    for path in files() {
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else { continue };
        for word in &forbidden {
            if let Some(at) = text.find(word.as_str()) {
                let line = text[..at].lines().count().max(1);
                found.push(format!("{}:{line}: {word}", path.display()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn lock_files_name_no_download_addresses() {
    for path in files().into_iter().filter(|path| path.ends_with("package-lock.json")) {
        let text = std::fs::read_to_string(root().join(&path)).unwrap();
        assert!(!text.contains("\"resolved\": \"http"), "{} holds download addresses", path.display());
    }
}
