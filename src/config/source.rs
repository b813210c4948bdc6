//! Where settings come from: the environment, and files. Nothing else reads the environment.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::ConfigError;
use super::aliases::{self, Renamed};

/// Where settings come from: the process's environment over an optional file.
pub struct Source {
    values: HashMap<String, SecretString>,
    renamed: Vec<Renamed>,
    search_path: Option<OsString>,
}

impl Source {
    /// Reads the environment and, beneath it, the file of `--env-file`.
    #[allow(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn load(env_file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut environment = HashMap::new();
        // Variables that are not Unicode are not ours, and an empty one is not set, so that it hides nothing of the file.
        for (name, value) in std::env::vars_os() {
            if let (Ok(name), Ok(value)) = (name.into_string(), value.into_string())
                && !value.is_empty()
            {
                environment.insert(name, SecretString::from(value));
            }
        }
        // Each place by itself, so that the environment wins over the file under either name.
        let mut source = Self { values: HashMap::new(), renamed: Vec::new(), search_path: std::env::var_os("PATH") };
        if let Some(path) = env_file {
            source.add(read_env_file(path)?)?;
        }
        source.add(environment)?;
        Ok(source)
    }

    /// The same with the settings of a file over those of the environment: an installation that brings its own settings is
    /// never mistaken for the one that the environment is about.
    pub fn with_file(mut self, path: &Path) -> Result<Self, ConfigError> {
        self.add(read_env_file(path)?)?;
        Ok(self)
    }

    /// Puts settings of one place over those that are there.
    fn add(&mut self, mut values: HashMap<String, SecretString>) -> Result<(), ConfigError> {
        let renamed = aliases::rename(&mut values)?;
        self.renamed.retain(|known| !values.contains_key(known.name));
        self.renamed.extend(renamed);
        self.values.extend(values);
        Ok(())
    }

    /// Lists the settings that are set under a former name only.
    pub fn renamed(&self) -> &[Renamed] {
        &self.renamed
    }

    /// Returns the name under which a setting is set, for messages: today's, unless only the former one is.
    pub fn name_of(&self, name: &'static str) -> &'static str {
        self.renamed.iter().find(|renamed| renamed.name == name).map_or(name, |renamed| renamed.former)
    }

    /// Settings from only a list, for tests.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let values = pairs.into_iter().map(|(name, value)| (name.to_owned(), SecretString::from(value))).collect();
        let mut source = Self { values: HashMap::new(), renamed: Vec::new(), search_path: None };
        // Two names of one setting that differ are refused where settings come from outside.
        let _ = source.add(values);
        source
    }

    /// A variable that is set to something.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(ExposeSecret::expose_secret).filter(|value| !value.is_empty())
    }

    /// The names of all that is set.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// The `PATH`.
    pub fn search_path(&self) -> Option<OsString> {
        self.search_path.clone()
    }

    /// A secret: from the variable itself, or from the file that `<name>_FILE` names.
    pub(super) fn secret(&self, name: &'static str, file: &'static str) -> Result<Option<SecretString>, ConfigError> {
        match (self.get(name), self.get(file)) {
            (Some(_), Some(_)) => {
                let (name, file) = (self.name_of(name), self.name_of(file));
                Err(ConfigError::Wrong(name, format!("and {file} are both set: keep one")))
            }
            (Some(value), None) => Ok(Some(value.into())),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path).map(Zeroizing::new);
                let text =
                    text.map_err(|source| ConfigError::File { what: self.name_of(file), path: path.into(), source })?;
                Ok(Some(without_mark(&text).trim().into()))
            }
            (None, None) => Ok(None),
        }
    }

    /// Returns the value of a setting, or its default; `form` describes its form.
    pub(super) fn parsed<T: FromStr>(&self, name: &'static str, default: T, form: &str) -> Result<T, ConfigError> {
        match self.get(name) {
            None => Ok(default),
            Some(value) => value.parse().map_err(|_| ConfigError::Wrong(self.name_of(name), format!("is not {form}"))),
        }
    }
}

/// Returns a text without the byte order mark that some editors put before it.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn read_env_file(path: &Path) -> Result<HashMap<String, SecretString>, ConfigError> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|source| ConfigError::File { what: "the env file", path: path.to_owned(), source })?;
    parse_env_file(path, &text)
}

/// Reads the text of an env file. Names are those that a shell takes, so that a line such as `export NAME=value` is
/// refused instead of setting nothing.
pub(super) fn parse_env_file(path: &Path, text: &str) -> Result<HashMap<String, SecretString>, ConfigError> {
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let mut values = HashMap::new();
    for (index, line) in without_mark(text).lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = || ConfigError::EnvLine { path: path.to_owned(), line: index + 1 };
        let (name, value) = line.split_once('=').ok_or_else(wrong)?;
        let name = name.trim_end();
        if !is_name(name) {
            return Err(wrong());
        }
        values.insert(name.to_owned(), SecretString::from(value.trim_start()));
    }
    Ok(values)
}
