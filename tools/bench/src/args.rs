//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::bulk::Cells;
use crate::fanout::Mode;
use crate::message::Protocol;

/// Load generator and benchmarks for any server that speaks the protocol.
#[derive(Debug, Parser)]
#[command(name = "spacetime-bench", version)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Money moves between random accounts.
    Transfers(LoadArgs),
    /// A reducer that does nothing: the cost of a call.
    Empty(LoadArgs),
    /// One client, one call at a time, with confirmed reads and without.
    Single(LoadArgs),
    /// Transfers alone, and beside scans and first rows of subscriptions that are read in a loop.
    /// A server that was started with SPACETIME_MEASURE_PAUSES=1 also tells what its writer thread
    /// was busy with at a time, in processor time.
    Reads(ReadsArgs),
    /// One client that calls and waits, alone and beside others that flood.
    Flood(FloodArgs),
    /// Updates delivered to many subscribers, and what registered queries cost a call.
    FanOut(FanOutArgs),
    /// Many operations inside one reducer, and the memory of a row.
    Bulk(BulkArgs),
    /// What the disk gives, without any server.
    Commit(CommitArgs),
    /// Everything, in one report.
    All(AllArgs),
}

/// Which server, and what to publish to it.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// Address of the server.
    #[arg(long, default_value = "http://127.0.0.1:3000")]
    pub server: String,
    /// Token of the identity to act as; without it the server is asked for a new identity.
    #[arg(long)]
    pub token: Option<String>,
    /// Process id of the server; found by its port if it runs on this machine.
    #[arg(long)]
    pub server_pid: Option<u32>,
    /// The transfers module as a .wasm file; without it the repository's own is built.
    #[arg(long, value_name = "PATH")]
    pub module: Option<PathBuf>,
    /// Name of the database; a new one by default. DATA THAT IT HOLDS IS DELETED.
    #[arg(long)]
    pub database: Option<String>,
    /// Take the database as it is, with the module in it (its accounts and cells are replaced).
    #[arg(long, requires = "database")]
    pub no_publish: bool,
    /// Leave the database there at the end.
    #[arg(long)]
    pub keep: bool,
}

/// How the figures are shown.
#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// Write the figures as JSON to a file, or with `-` to the standard output (the table then
    /// goes to the standard error).
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,
}

/// How much load.
#[derive(Debug, Clone, Args)]
pub(crate) struct PressureArgs {
    /// Number of connections.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,
    /// Calls in flight on each connection; several values make several runs.
    #[arg(long, value_delimiter = ',', default_values_t = [40, 1],
          value_parser = clap::value_parser!(u32).range(1..=16_000))]
    pub in_flight: Vec<u32>,
    /// Unevenness of the choice of accounts (0: all alike); several values make several runs.
    #[arg(long, value_delimiter = ',', default_values_t = [0.0, 1.5], value_parser = alpha)]
    pub alpha: Vec<f64>,
    /// Number of accounts.
    #[arg(long, default_value_t = 100_000,
          value_parser = clap::value_parser!(u32).range(2..=50_000_000))]
    pub accounts: u32,
    /// Protocol to speak.
    #[arg(long, value_enum, default_value_t = Protocol::V3)]
    pub protocol: Protocol,
    /// Whether results wait until they are on disk.
    #[arg(long, action = ArgAction::Set, default_value_t = true)]
    pub confirmed: bool,
    /// Seconds that count.
    #[arg(long, default_value = "10", value_parser = seconds)]
    pub seconds: Duration,
    /// Seconds before those.
    #[arg(long, default_value = "2", value_parser = seconds)]
    pub warm_up: Duration,
    /// Seed of all random choices.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct DiskArgs {
    /// Folder on the file system of the server's data.
    #[arg(long, default_value = ".")]
    pub data_dir: PathBuf,
    /// Sizes of batches in bytes.
    #[arg(long, value_delimiter = ',', default_values_t = [128, 4096, 65_536, 262_144, 1_048_576],
          value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub batch_bytes: Vec<u64>,
    /// Seconds for each size.
    #[arg(long, default_value = "1", value_parser = seconds)]
    pub batch_seconds: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct RowArgs {
    /// Number of rows.
    #[arg(long, default_value_t = 1_000_000,
          value_parser = clap::value_parser!(u32).range(2..=100_000_000))]
    pub rows: u32,
}

#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(flatten)]
    pub pressure: PressureArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReadsArgs {
    #[command(flatten)]
    pub server: ServerArgs,
    /// Of several values for one load, the first counts.
    #[command(flatten)]
    pub pressure: PressureArgs,
    /// How many rows are read: of a table that nobody writes to.
    #[command(flatten)]
    pub rows: RowArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct FloodArgs {
    #[command(flatten)]
    pub server: ServerArgs,
    /// Connections that flood.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub flooders: u32,
    /// Calls in flight on each of them.
    #[arg(long, default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=16_000))]
    pub flood_in_flight: u32,
    /// Its connections and calls in flight do not matter: the victim has one of each.
    #[command(flatten)]
    pub pressure: PressureArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct FanOutArgs {
    #[command(flatten)]
    pub server: ServerArgs,
    /// Who subscribes to what.
    #[arg(long, value_enum, value_delimiter = ',',
          default_values_t = [Mode::Same, Mode::Own, Mode::Idle])]
    pub modes: Vec<Mode>,
    /// Numbers of subscribers, each with a connection of its own.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 1000],
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub subscribers: Vec<u32>,
    /// Numbers of registered queries that no change concerns.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 10_000, 100_000],
          value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub queries: Vec<u32>,
    /// Calls in flight, all of one connection.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64],
          value_parser = clap::value_parser!(u32).range(1..=16_000))]
    pub in_flight: Vec<u32>,
    /// Protocol to speak.
    #[arg(long, value_enum, default_value_t = Protocol::V3)]
    pub protocol: Protocol,
    /// Whether results and updates wait until they are on disk.
    #[arg(long, action = ArgAction::Set, default_value_t = true)]
    pub confirmed: bool,
    /// Seconds that count.
    #[arg(long, default_value = "5", value_parser = seconds)]
    pub seconds: Duration,
    /// Seconds before those.
    #[arg(long, default_value = "1", value_parser = seconds)]
    pub warm_up: Duration,
    /// Seed of all random choices.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BulkArgs {
    #[command(flatten)]
    pub server: ServerArgs,
    /// Which kind of table.
    #[arg(long, value_enum, default_value_t = Cells::Ordered)]
    pub table: Cells,
    #[command(flatten)]
    pub rows: RowArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CommitArgs {
    #[command(flatten)]
    pub disk: DiskArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AllArgs {
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(flatten)]
    pub pressure: PressureArgs,
    #[command(flatten)]
    pub rows: RowArgs,
    #[command(flatten)]
    pub disk: DiskArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| format!("{text} is not a number"))?;
    if !(0.0..=86_400.0).contains(&seconds) {
        return Err(format!("{text} is not between 0 and a day"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

fn alpha(text: &str) -> Result<f64, String> {
    let alpha: f64 = text
        .parse()
        .map_err(|_| format!("{text} is not a number"))?;
    if !(0.0..=10.0).contains(&alpha) {
        return Err(format!("{text} is not between 0 and 10"));
    }
    Ok(alpha)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let check = |arg: &str| {
            let line = ["spacetime-bench", "transfers", arg];
            CommandLine::try_parse_from(line).is_ok()
        };
        assert!(check("--in-flight=1,2,3") && check("--alpha=0,0.5") && check("--seconds=0.5"));
        assert!(!check("--in-flight=0") && !check("--alpha=-1") && !check("--seconds=nan"));
        assert!(!check("--connections=0") && !check("--accounts=1") && !check("--no-publish"));
    }
}
