//! `credenza verify`.

use anyhow::ensure;
use serde::Serialize;

use super::audit;
use super::progress::Bar;
use crate::app::App;
use crate::audit::verify::{self, Report};
use crate::rotation::{self, Verified};

#[derive(clap::Args)]
pub(super) struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// All that was found.
#[derive(Serialize)]
struct Findings {
    #[serde(flatten)]
    sealed: Verified,
    audit: Report,
}

pub(super) async fn run(options: &Options, app: &App) -> anyhow::Result<()> {
    let mut bar = Bar::new();
    let sealed = rotation::verify(app, |progress| bar.show(progress)).await?;
    bar.end();
    let mut progress = audit::Progress::start();
    let audit = verify::verify(&app.pool, &app.audit_key, None, &[], |records| progress.tell(records)).await?;
    progress.end();
    let findings = Findings { sealed, audit };
    if options.json {
        super::print_json(&findings)?;
    } else {
        let Findings { sealed, audit } = &findings;
        for fault in &sealed.faults {
            super::print_line(&format!("fault: {fault}"))?;
        }
        let (data_keys, values, faults) = (sealed.data_keys, sealed.values, sealed.faults.len());
        super::print_line(&format!("{data_keys} data keys, {values} sealed values, {faults} faults"))?;
        audit::print(audit, 0)?;
    }
    ensure!(findings.sealed.faults.is_empty(), "what is stored is not what was sealed");
    ensure!(findings.audit.is_sound(), "the audit is damaged: `credenza audit verify` has more");
    Ok(())
}
