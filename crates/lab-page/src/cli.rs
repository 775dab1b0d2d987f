//! What `page` and `report` are asked for.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use flash_lab_crowd::{Seller, SellerArgs, Strategy, TermArgs};

/// What `page` is asked for.
#[derive(Debug, ClapArgs)]
pub struct PageArgs {
    /// Where the page is; port 0 takes any free port. On another address than localhost,
    /// whoever reaches it sees the page and can start sales
    #[arg(long, default_value = DEFAULT_LISTEN, value_name = "ADDRESS:PORT",
          value_parser = address)]
    pub listen: SocketAddr,

    /// What is sold, and by whom.
    #[command(flatten)]
    pub shown: ShownArgs,
}

/// What `report` is asked for.
#[derive(Debug, ClapArgs)]
pub struct ReportArgs {
    /// The file, which needs no other file and no network
    #[arg(long, default_value = "flash-sale-report.html", value_name = "PATH")]
    pub html: PathBuf,

    /// What is sold, and by whom.
    #[command(flatten)]
    pub shown: ShownArgs,
}

/// What is sold, and by whom.
#[derive(Debug, ClapArgs)]
pub struct ShownArgs {
    /// Who sells; where nobody is named, the three phases (and on a page the engine, where
    /// there is room), and beside a program of your own the first and the last word: naive
    /// and the engine.
    #[command(flatten)]
    sellers: SellerArgs,

    /// What the sale has.
    #[command(flatten)]
    pub terms: TermArgs,
}

impl ShownArgs {
    /// Who has a column: those that were asked for, each once.
    ///
    /// # Errors
    ///
    /// A program that is not there.
    pub fn sellers(&self, default: &[Strategy]) -> anyhow::Result<Vec<Seller>> {
        let mut all = self.sellers.sellers(default)?;
        if self.sellers.strategies.is_empty() && !self.sellers.servers.is_empty() {
            all.insert(0, Seller::of(Strategy::Naive)?);
            all.push(Seller::of(Strategy::Engine)?);
        }
        let mut once = Vec::new();
        for seller in all {
            if !once.contains(&seller) {
                once.push(seller);
            }
        }
        Ok(once)
    }
}

/// One beside the server's, so that both can run.
const DEFAULT_LISTEN: &str = "127.0.0.1:8090";

/// An address, or `localhost` with a port.
fn address(text: &str) -> Result<SocketAddr, String> {
    let numbers = text.replacen("localhost:", "127.0.0.1:", 1);
    let parsed = numbers.parse();
    parsed.map_err(|error| format!("{error}; such as {DEFAULT_LISTEN}"))
}

/// Ends the help of `page`.
pub const EXAMPLES: &str = "\
Examples:
  lab page                                  then open the URL that it prints
  lab page --listen localhost:0             any free port
  lab page --listen 0.0.0.0:8090            a class on this network sees it too
  lab page --server ./my-server             naive, yours, the engine
  lab page --strategy hybrid --strategy engine
  lab page --units 100 --buyers 5000        what stands in the form at first

The stores are private; they and the servers are gone when the page ends (Ctrl-C).
Exit codes: 130 ended by Ctrl-C, 1 error, 2 usage, 69 a needed program is missing";

/// Ends the help of `report`.
pub const REPORT_EXAMPLES: &str = "\
Examples:
  lab report                                writes flash-sale-report.html
  lab report --html sale.html --buyers 5000

Exit codes: 0 written, 1 error, 2 usage, 3 a strategy did not do as promised,
69 a needed program is missing";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_at_an_address_or_at_localhost() {
        for text in [
            "127.0.0.1:0",
            "[::1]:8090",
            "0.0.0.0:8090",
            "localhost:8090",
        ] {
            assert!(address(text).is_ok(), "{text}");
        }
        let loopback = address("localhost:8090").expect("an address");
        assert!(loopback.ip().is_loopback());
        for text in ["localhost", "example.org:8090", "127.0.0.1"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
