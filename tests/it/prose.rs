//! Rules over the words of the code: doc comments and names of tests. No sentence begins with a headless *What* or *Who*,
//! and code has no verbs of people.

use std::fmt::Write;
use std::path::Path;

use crate::support::sources::sources_in;

/// Folders with code of ours.
const FOLDERS: [&str; 3] = ["src", "crates", "tests"];
/// Words that no sentence begins with.
const HEADLESS: [&str; 7] = ["What", "Who", "Whom", "Whoever", "Whatever", "Whose", "Whichever"];
/// Verbs of people, and words that have a plainer form.
const BANNED: [&str; 24] = [
    // returns, has, reports, names
    "say",
    "says",
    "saying",
    "said",
    "tells",
    "told",
    "speaks",
    // receives
    "hear",
    "hears",
    "hearing",
    "heard",
    // needs
    "want",
    "wants",
    "wanted",
    // with, next to
    "beside",
    // after, beyond
    "behind",
    // only, by itself
    "alone",
    // a noun
    "whoever",
    "whomever",
    "whatever",
    "whichever",
    // stores, ensures, acts for
    "holds on to",
    "sees to it",
    "goes on as",
];
/// Phrases of plain English that have one of these words.
const PLAIN: [&str; 3] = ["leave behind", "leaves behind", "left behind"];
/// Words that no name of a test has.
const NOT_IN_NAMES: [&str; 9] = ["says", "said", "tells", "told", "hears", "heard", "wants", "beside", "whoever"];
/// Words that no name of a test begins with.
const NO_BEGINNING: [&str; 6] = ["what", "who", "whom", "whatever", "whoever", "whose"];

/// The doc comments of a file as paragraphs, without code.
fn paragraphs(text: &str) -> Vec<String> {
    let (mut paragraphs, mut current, mut is_code) = (Vec::new(), String::new(), false);
    for line in text.lines().chain([""]) {
        let line = line.trim_start();
        let doc = line.strip_prefix("//!").or_else(|| line.strip_prefix("///")).map(str::trim);
        let doc = doc.filter(|doc| !doc.is_empty());
        let fence = doc.is_some_and(|doc| doc.starts_with("```"));
        is_code ^= fence;
        let starts_anew = doc.is_none_or(|doc| doc.starts_with(['-', '*', '|', '#']) || doc.starts_with("1."));
        if (starts_anew || fence) && !current.is_empty() {
            paragraphs.push(std::mem::take(&mut current));
        }
        if let Some(doc) = doc.filter(|_| !is_code && !fence) {
            current.push_str(doc.trim_start_matches(['-', '*', '|', '#', ' ']));
            current.push(' ');
        }
    }
    // Words in code are names.
    paragraphs.iter().map(|text| text.split('`').step_by(2).collect::<Vec<_>>().join("CODE")).collect()
}

/// The sentences of a paragraph. A question is none that the rules are for.
fn sentences(paragraph: &str) -> Vec<&str> {
    let (mut sentences, mut start) = (Vec::new(), 0);
    for (at, end) in paragraph.match_indices(['.', '?', '!']) {
        if paragraph[at + 1..].starts_with([' ', '"', ')']) {
            sentences.push((&paragraph[start..=at], end));
            start = at + 1;
        }
    }
    sentences.push((&paragraph[start..], ""));
    sentences.iter().filter(|(_, end)| *end != "?").map(|(text, _)| text.trim_matches([' ', '"', '(', ')'])).collect()
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// The violations of one file.
fn violations(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for paragraph in paragraphs(text) {
        for sentence in sentences(&paragraph) {
            if HEADLESS.iter().any(|word| sentence.split_whitespace().next() == Some(word)) {
                found.push(format!("begins without a noun: {sentence}"));
            }
            let text = PLAIN.iter().fold(words(sentence).join(" "), |text, phrase| text.replace(phrase, ""));
            let text = format!(" {text} ");
            let banned = BANNED.iter().filter(|word| text.contains(&format!(" {word} ")));
            found.extend(banned.map(|word| format!("`{word}`: {sentence}")));
        }
    }
    found
}

#[test]
fn doc_comments_are_plain() {
    let mut found = Vec::new();
    for folder in FOLDERS {
        for (file, text) in sources_in(folder) {
            found.extend(violations(&text).into_iter().map(|line| format!("{folder}/{file}: {line}")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The names of the tests in a file.
fn tests_of(text: &str) -> Vec<&str> {
    let after_attribute = text.split("#[test]").skip(1).chain(text.split("#[tokio::test").skip(1));
    after_attribute.filter_map(|rest| rest.split_once("fn ")?.1.split(['(', '<']).next()).collect()
}

#[test]
fn names_of_tests_are_statements() {
    let mut wrong = Vec::new();
    for folder in FOLDERS {
        for (file, text) in sources_in(folder) {
            let is_riddle = |name: &&str| {
                name.split('_').any(|part| NOT_IN_NAMES.contains(&part))
                    || NO_BEGINNING.contains(&name.split('_').next().unwrap())
            };
            let riddles = tests_of(&text).into_iter().filter(is_riddle);
            wrong.extend(riddles.map(|name| format!("{folder}/{file}: {name}")));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// A document names a test as `module::name`, or only a module of tests.
#[test]
fn each_test_that_a_document_names_exists() {
    let mut tests = String::new();
    for folder in FOLDERS {
        for (file, text) in sources_in(folder) {
            for name in tests_of(&text) {
                writeln!(tests, "{file}::{name}").unwrap();
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documents = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let (mut missing, mut checked) = (Vec::new(), 0);
    for path in documents.chain([root.join("README.md")]).filter(|path| path.extension().is_some_and(|it| it == "md")) {
        let text = std::fs::read_to_string(&path).unwrap();
        for code in text.split('`').skip(1).step_by(2) {
            let Some((module, name)) = code.split_once("::") else { continue };
            let is_name = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            // Shorter names are functions.
            if is_name(module) && is_name(name) && name.matches('_').count() > 2 {
                checked += 1;
                let found = tests.lines().any(|test| test.ends_with(&format!("::{name}")) && test.contains(module));
                missing.extend((!found).then(|| format!("{}: {code}", path.display())));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
    assert!(checked > 10, "the test finds names no more: {checked}");
}

#[test]
fn each_decision_is_in_the_index_and_each_link_of_the_documents_leads_somewhere() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let pages = |folder: &Path| -> Vec<_> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
    };
    let decisions = pages(&docs.join("decisions"));
    let index = std::fs::read_to_string(docs.join("decisions/README.md")).unwrap();
    let mut wrong = Vec::new();
    for page in &decisions {
        let name = page.file_name().unwrap().to_str().unwrap();
        wrong.extend(
            (name != "README.md" && !index.contains(&format!("({name})"))).then(|| format!("no index: {name}")),
        );
    }
    for page in decisions.into_iter().chain(pages(&docs)).chain([docs.join("../README.md")]) {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let is_there = link.is_empty() || link.contains("://") || page.parent().unwrap().join(link).exists();
            wrong.extend((!is_there).then(|| format!("{}: {link}", page.display())));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn violations_are_found_in_sentences_and_not_in_code_or_questions() {
    let text = "//! Stores a pair. What is stored is\n//! sealed: it says so. Who may? See [x].\n//!\n//! ```\n//! What is code\n//! ```\n//! - Whoever calls.\n\
                //! `says` is a name.\nfn f() {}\n// What is no doc.\n/// Returns it, with what it has.\n";
    let found = violations(text);
    let expected =
        ["begins without a noun: What is", "`says`: What is", "begins without a noun: Whoever", "`whoever`: Whoever"];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    assert!(found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected)), "{found:#?}");
}
