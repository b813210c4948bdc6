//! No file imports another one that leads back to it. Paths are resolved to the file that defines the item: a re-export
//! counts for its origin, so a `mod.rs` may re-export from its children. A child may use what its own parents define: a
//! module with its folder is one idea, and its `mod.rs` has the terms that the folder shares.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::support::sources::{code, sources};

/// The files by module path: `cluster/feed.rs` is `cluster::feed`, `cluster/mod.rs` is `cluster`.
struct Files {
    by_module: BTreeMap<String, String>,
    /// The re-exports of a file: name to the full path of its origin.
    reexports: BTreeMap<String, BTreeMap<String, String>>,
}

/// A `use` statement: whether it re-exports, and its paths without braces, each with the name that it gets.
struct Use {
    is_public: bool,
    paths: Vec<(String, String)>,
}

fn module_path(file: &str) -> String {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::");
    if path == "lib" || path == "main" { String::new() } else { path }
}

/// Takes the braces out of a `use` tree.
fn expand(tree: &str, prefix: &str, paths: &mut Vec<(String, String)>) {
    let tree = tree.trim();
    if let Some((head, rest)) = tree.split_once('{') {
        let inner = rest.strip_suffix('}').unwrap_or(rest);
        let (mut depth, mut start) = (0, 0);
        for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    if !inner[start..at].trim().is_empty() {
                        expand(&inner[start..at], &format!("{prefix}{head}"), paths);
                    }
                    start = at + 1;
                }
                _ => {}
            }
        }
    } else {
        let (path, name) = tree.split_once(" as ").unwrap_or((tree, tree.rsplit("::").next().unwrap()));
        let path = format!("{prefix}{path}");
        let path = path.trim_end_matches("::self").to_owned();
        let name = if name == "self" { path.rsplit("::").next().unwrap() } else { name };
        paths.push((path.clone(), name.to_owned()));
    }
}

/// The `use` statements of some code, and the code without them.
fn uses(code: &str) -> (Vec<Use>, String) {
    let (mut found, mut rest, mut statement) = (Vec::new(), String::new(), None::<String>);
    for line in code.lines() {
        let trimmed = line.trim_start();
        let after_pub = trimmed.strip_prefix("pub").map_or(trimmed, |rest| {
            rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(rest, |(_, rest)| rest).trim_start()
        });
        if statement.is_none() && after_pub.starts_with("use ") {
            statement = Some(String::new());
        }
        if let Some(text) = &mut statement {
            text.push_str(trimmed);
        } else {
            rest.push_str(line);
            rest.push('\n');
        }
        if let Some(text) = statement.take_if(|text| text.contains(';')) {
            let (visibility, tree) = text.split_once("use ").unwrap();
            let mut paths = Vec::new();
            expand(tree.split(';').next().unwrap(), "", &mut paths);
            found.push(Use { is_public: !visibility.is_empty(), paths });
        }
    }
    (found, rest)
}

/// Paths that stand in an expression or a type: `crate::a::b`, `super::c`.
fn inline_paths(code: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = code.split(|c: char| !is_part(c));
    words.filter(|word| word.contains("::")).map(|word| word.trim_matches(':').to_owned()).collect()
}

impl Files {
    fn new(sources: &BTreeMap<String, String>) -> Self {
        let by_module: BTreeMap<_, _> =
            sources.keys().filter(|file| *file != "main.rs").map(|file| (module_path(file), file.clone())).collect();
        let mut files = Self { by_module, reexports: BTreeMap::new() };
        let mut reexports = BTreeMap::new();
        for (file, text) in sources {
            let public = uses(&code(text)).0.into_iter().filter(|one| one.is_public).flat_map(|one| one.paths);
            let named = public.filter_map(|(path, name)| Some((name, files.absolute(file, &path)?)));
            reexports.insert(file.clone(), named.collect());
        }
        files.reexports = reexports;
        files
    }

    /// A path as it stands in a file, from the root of the crate. None for those of other crates.
    fn absolute(&self, file: &str, path: &str) -> Option<String> {
        let mut module: Vec<_> =
            module_path(file).split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let mut parts = path.split("::").peekable();
        match *parts.peek()? {
            "crate" => {
                parts.next();
                module.clear();
            }
            "self" => {
                parts.next();
            }
            "super" => {
                while parts.next_if_eq(&"super").is_some() {
                    module.pop()?;
                }
            }
            // A child of this module.
            first => {
                let child = [&module[..], &[first.to_owned()]].concat().join("::");
                self.by_module.get(&child)?;
            }
        }
        module.extend(parts.map(str::to_owned));
        Some(module.join("::"))
    }

    /// The file that defines what an absolute path names.
    fn defines(&self, path: &str) -> Option<String> {
        let parts: Vec<_> = path.split("::").filter(|part| !part.is_empty()).collect();
        let length =
            (0..=parts.len()).rev().find(|length| self.by_module.contains_key(&parts[..*length].join("::")))?;
        let file = &self.by_module[&parts[..length].join("::")];
        let Some(item) = parts.get(length) else { return Some(file.clone()) };
        match self.reexports[file].get(*item) {
            Some(origin) if origin != path => {
                self.defines(&[&[origin.as_str()], &parts[length + 1..]].concat().join("::"))
            }
            _ => Some(file.clone()),
        }
    }

    /// The files that each file imports from.
    fn imports(&self, sources: &BTreeMap<String, String>) -> BTreeMap<String, BTreeSet<String>> {
        let mut imports = BTreeMap::new();
        for (file, text) in sources {
            let (statements, rest) = uses(&code(text));
            let used =
                statements.into_iter().filter(|one| !one.is_public).flat_map(|one| one.paths).map(|(path, _)| path);
            let paths = used.chain(inline_paths(&rest)).filter_map(|path| self.absolute(file, &path));
            let files: BTreeSet<_> = paths.filter_map(|path| self.defines(&path)).collect();
            let is_parent =
                |other: &str| format!("{}::", module_path(file)).starts_with(&format!("{}::", module_path(other)));
            let files = files.into_iter().filter(|other| !module_path(other).is_empty() && !is_parent(other)).collect();
            imports.insert(file.clone(), files);
        }
        imports
    }
}

/// Everything that a file leads to.
fn reach(imports: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(file) = open.pop() {
        for next in imports.get(&file).into_iter().flatten() {
            if reached.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    reached
}

fn circles(sources: &BTreeMap<String, String>) -> (BTreeSet<BTreeSet<String>>, BTreeMap<String, BTreeSet<String>>) {
    let imports = Files::new(sources).imports(sources);
    let reached: BTreeMap<_, _> = imports.keys().map(|file| (file.clone(), reach(&imports, file))).collect();
    let circle_of = |file: &String| -> BTreeSet<String> {
        reached[file]
            .iter()
            .filter(|other| reached.get(*other).is_some_and(|back| back.contains(file)))
            .cloned()
            .collect()
    };
    let circles = imports.keys().map(circle_of).filter(|circle| circle.len() > 1).collect();
    (circles, imports)
}

#[test]
fn no_file_imports_another_that_leads_back_to_it() {
    let (circles, imports) = circles(&sources());
    let mut report = String::new();
    for circle in &circles {
        report.push_str("a circle:\n");
        for file in circle {
            let inside: Vec<_> = imports[file].intersection(circle).cloned().collect();
            writeln!(report, "  {file} imports {}", inside.join(", ")).unwrap();
        }
    }
    assert!(report.is_empty(), "{report}");
}

/// Folders of `http/` that every family may use.
const SHARED: [&str; 5] = ["dialect", "edge", "extract", "openapi", "server"];

#[test]
fn a_family_imports_no_other_family() {
    let sources = sources();
    let family = |file: &str| {
        let (folder, _) = file.strip_prefix("http/")?.split_once('/')?;
        (!SHARED.contains(&folder)).then(|| folder.to_owned())
    };
    let mut wrong = Vec::new();
    for (file, imports) in Files::new(&sources).imports(&sources) {
        let Some(own) = family(&file) else { continue };
        let others = imports.iter().filter(|import| family(import).is_some_and(|other| other != own));
        wrong.extend(others.map(|import| format!("{file} imports {import}")));
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_circle_is_found_through_re_exports_and_inline_paths() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let sources = BTreeMap::from([
        file("lib.rs", "pub mod a;\n"),
        file("a/mod.rs", "mod one;\nmod two;\npub use one::{One, Other as Alias};\nuse two::f;\n"),
        file("a/one.rs", "use super::two::{\n    f,\n    g as h,\n};\n"),
        file("a/two.rs", "fn f(_: &crate::a::Alias) {}\n"),
        file("b.rs", "use crate::a::One;\n// use crate::c::x;\n"),
        file("c.rs", "use crate::b;\n"),
    ]);
    let (circles, _) = circles(&sources);
    assert_eq!(circles, BTreeSet::from([BTreeSet::from(["a/one.rs", "a/two.rs"].map(str::to_owned))]));
}
