//! `portico export`

use std::fs::File;
use std::io::{BufWriter, Write, stdout};

use anyhow::{Context, Result};
use http::Method;

use super::admin_client::AdminClient;
use super::{progress, say_error};
use crate::cli::Export;

pub(super) fn run(options: &Export) -> Result<()> {
    let config = super::load(&options.file)?;
    let mut output: Box<dyn Write> = match &options.output {
        Some(path) => Box::new(BufWriter::new(
            File::create(path).with_context(|| format!("{} can't be written", path.display()))?,
        )),
        None => Box::new(BufWriter::new(stdout())),
    };
    super::runtime()?.block_on(async {
        let admin = AdminClient::of(&config).await?;
        let bar = progress("lines");
        let path = format!("/bots/{}/export", options.bot);
        let mut lines = 0u64;
        let done = admin
            .stream(Method::GET, &path, None, &mut |piece| {
                lines += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
                bar.set_position(lines);
                output.write_all(&piece).context("the export can't be written")
            })
            .await;
        bar.finish_and_clear();
        admin.close().await?;
        done?;
        output.flush().context("the export can't be written")?;
        say_error(&format!("{lines} lines were exported"));
        Ok(())
    })
}
