//! `credenza verify`.

use super::progress::Bar;
use crate::app::App;
use crate::rotation;

#[derive(clap::Args)]
pub(super) struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(options: &Options, app: &App) -> anyhow::Result<()> {
    let mut bar = Bar::new();
    let verified = rotation::verify(app, |progress| bar.show(progress)).await?;
    bar.end();
    if options.json {
        super::print_json(&verified)?;
    } else {
        for fault in &verified.faults {
            super::print_line(&format!("fault: {fault}"))?;
        }
        super::print_line(&format!(
            "{} data keys, {} sealed values, {} faults",
            verified.data_keys,
            verified.values,
            verified.faults.len()
        ))?;
    }
    anyhow::ensure!(verified.faults.is_empty(), "what is stored is not what was sealed");
    Ok(())
}
