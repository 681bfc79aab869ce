//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A channel gateway in front of chatbots: webhooks in, durable and in order to your bot; replies out, rendered
/// for each channel.
#[derive(Debug, Parser)]
#[command(name = "portico", version, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Where the configuration is.
#[derive(Clone, Debug, Args)]
pub struct ConfigFile {
    /// The configuration file; `portico check-config --defaults` shows every option.
    #[arg(long, short, value_name = "FILE", default_value = "portico.toml", env = "PORTICO_CONFIG")]
    pub config: PathBuf,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway.
    Serve(ConfigFile),
    /// Try everything in one process: made-up secrets, an echo bot, ready curl commands, live traffic.
    Demo(Demo),
    /// Check a configuration and say everything that is wrong with it.
    CheckConfig(CheckConfig),
    /// Offer journaled events to the bot once more.
    Replay(Replay),
    /// What was given up after all attempts: list it, try it again, or drop it.
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// Write all conversations and messages of a bot as JSON lines.
    Export(Export),
    /// Look after the embedded store.
    #[command(subcommand)]
    Store(StoreCommand),
    /// Ask a running gateway whether it is ready; exit code 1 when it is not.
    Health(ConfigFile),
}

/// `portico demo`
#[derive(Debug, Args)]
pub struct Demo {
    /// Keep the data in this folder; without it a temporary one is used and removed at the end.
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
}

/// `portico check-config`
#[derive(Debug, Args)]
pub struct CheckConfig {
    /// Where it is.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Print every option with its default, unit and meaning instead.
    #[arg(long)]
    pub defaults: bool,
}

/// `portico replay`
#[derive(Debug, Args)]
pub struct Replay {
    /// Where the configuration is.
    #[command(flatten)]
    pub file: ConfigFile,
    /// One event, by its id.
    #[arg(value_name = "EVENT", required_unless_present_any = ["bot", "installation", "conversation"])]
    pub event: Option<String>,
    /// All events of this bot.
    #[arg(long)]
    pub bot: Option<String>,
    /// All events of this installation.
    #[arg(long)]
    pub installation: Option<String>,
    /// All events of this conversation.
    #[arg(long)]
    pub conversation: Option<String>,
    /// Only events with this outcome: pending, done, ignored, dead, dropped.
    #[arg(long)]
    pub outcome: Option<String>,
    /// Only webhooks that were not understood: they are read again.
    #[arg(long)]
    pub unread: bool,
    /// Only events received at or after this time, such as 2026-01-31T08:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only events received before this time.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

/// `portico dead-letters …`
#[derive(Debug, Subcommand)]
pub enum DeadLetters {
    /// List dead letters, newest first.
    List {
        /// Where the configuration is.
        #[command(flatten)]
        file: ConfigFile,
        /// Of this bot only.
        #[arg(long)]
        bot: Option<String>,
        /// As JSON lines.
        #[arg(long)]
        json: bool,
    },
    /// Put dead letters at the end of their conversations again.
    Retry(Chosen),
    /// Forget dead letters. Their events stay in the journal as long as it is kept.
    Drop(Chosen),
}

/// Some dead letters, or all.
#[derive(Debug, Args)]
pub struct Chosen {
    /// Where the configuration is.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Event ids.
    #[arg(value_name = "EVENT", required_unless_present = "all")]
    pub events: Vec<String>,
    /// All of them (of `--bot`, if given).
    #[arg(long)]
    pub all: bool,
    /// With `--all`: of this bot only.
    #[arg(long)]
    pub bot: Option<String>,
}

/// `portico export`
#[derive(Debug, Args)]
pub struct Export {
    /// Where the configuration is.
    #[command(flatten)]
    pub file: ConfigFile,
    /// The bot.
    #[arg(long)]
    pub bot: String,
    /// Write to this file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `portico store …`
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Read everything and report what is damaged; nothing is changed. The gateway must not run.
    Verify(ConfigFile),
    /// Copy one point in time into an empty folder. The gateway must not run.
    Backup {
        /// Where the configuration is.
        #[command(flatten)]
        file: ConfigFile,
        /// An empty folder, or one that does not exist yet.
        #[arg(value_name = "FOLDER")]
        to: PathBuf,
    },
    /// Bring a backup back into the configured folder, which must be empty.
    Restore {
        /// Where the configuration is.
        #[command(flatten)]
        file: ConfigFile,
        /// The backup.
        #[arg(value_name = "FOLDER")]
        from: PathBuf,
    },
    /// Cut a damaged log where it is damaged, keep both parts, and say what is missing.
    Salvage(ConfigFile),
}
