//! The benchmark of Credenza: what runs, against what, and how it is measured. `README.md` says how to run it.
//!
//! In reading order: [`cores`] and [`process`] (who runs where, and what it costs), [`installation`] (the database and the
//! service on it), [`world`] (what is stored), [`wire`] and [`load`] (asking), [`rounds`] and [`report`] (what comes of it),
//! [`targets`] (one file for each).

pub mod cores;
pub mod crowd;
pub mod facts;
pub mod furnish;
pub mod installation;
pub mod load;
pub mod process;
pub mod report;
pub mod requests;
pub mod rounds;
pub mod targets;
pub mod wire;
pub mod world;
