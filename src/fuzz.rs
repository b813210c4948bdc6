//! The functions that the fuzzers run: for each piece of text or bytes that comes from outside, one function that takes any input and
//! panics when a promise about it is broken. The functions are next to the code that they test, because most of
//! that is private. Compiled for fuzzers (`fuzz/README.md`) and for the tests, which replay what fuzzers have found.

/// A target: its name, which is that of its program and of its corpus, and its function.
pub type Target = (&'static str, fn(&[u8]));

macro_rules! targets {
    ($($name:ident: $check:path,)*) => {
        /// Every target.
        pub const TARGETS: &[Target] = &[$((stringify!($name), $check)),*];

        #[cfg(test)]
        mod replay {
            $(
                #[test]
                fn $name() {
                    super::tests::replay(stringify!($name), $check);
                }
            )*
        }
    };
}

targets! {
    api_key: crate::api_key::fuzz::check,
    authorization: crate::auth::fuzz::check,
    change_message: crate::cluster::fuzz::check,
    credentials_csv: crate::credentials::import::fuzz::check,
    env_file: crate::config::fuzz::check,
    forwarded_for: crate::http::fuzz::forwarded_for,
    json_body: crate::http::fuzz::json_body,
    query: crate::http::fuzz::query,
    sealed: crate::vault::fuzz::check,
    supplier_csv: crate::suppliers::fuzz::check,
}

/// Runs one of them, for the programs of `fuzz/fuzz_targets`.
pub fn run(target: &str, input: &[u8]) {
    for (_, check) in TARGETS.iter().filter(|(name, _)| *name == target) {
        check(input);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Runs a target on its corpus: on each input itself, on it cut off at some places, and with some bits turned.
    pub(super) fn replay(target: &str, check: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(files.len() > 5, "{target} has a corpus");
        for path in files {
            // Seen only when the check panics.
            println!("{}", path.display());
            let input = fs::read(path).unwrap();
            check(&input);
            let step = input.len() / 16 + 1;
            for at in (0..input.len()).step_by(step) {
                check(&input[..at]);
                let mut turned = input.clone();
                turned[at] ^= 1 << (at % 8);
                check(&turned);
            }
        }
    }

    #[test]
    fn every_target_has_its_program() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
        // The other programs run the checks of a crate of the workspace, which replays them itself.
        let programs = fs::read_dir(root.join("fuzz_targets"))
            .unwrap()
            .map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
        assert_eq!(programs.filter(|program| program.contains("credenza::fuzz")).count(), TARGETS.len());
        for (name, _) in TARGETS {
            let program = fs::read_to_string(root.join(format!("fuzz_targets/{name}.rs"))).unwrap();
            assert!(program.contains(&format!("run(\"{name}\"")), "{name}");
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        }
    }
}
