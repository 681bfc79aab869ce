//! `portico health`

use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::Method;
use portico_net::{Client, ClientOptions, Request};

use super::say;
use crate::cli::ConfigFile;

pub(super) fn run(file: &ConfigFile) -> Result<()> {
    let config = super::load(file)?;
    let mut address = config.server.listen;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let scheme = if config.server.tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{address}/readyz").parse().context("the address makes no URL")?;
    super::runtime()?.block_on(async {
        let client = Client::new(ClientOptions::default())?;
        let request =
            Request { timeout: Duration::from_secs(3), private: true, ..Request::new(Method::GET, url) };
        let answer = client.send(request).await.context("no gateway answers")?;
        say(&String::from_utf8_lossy(&answer.body));
        if answer.status == 200 { Ok(()) } else { bail!("not ready") }
    })
}
