//! The cost model: processor time of nodes and Redis for any load, from a few measured costs, checked against points.
//!
//! Kept here: costs, their fit, sizes. Not here: measuring (`scenario/scale.rs`). A model of sums: every cost is
//! an amount times a figure, so it knows nothing of queues. It holds while nobody is saturated, and that is how one plans.

mod costs;
mod fit;
mod point;
mod sizing;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use costs::Costs;
pub use point::{Load, Point};

#[derive(clap::Args)]
pub struct Options {
    /// Results of the scenario `scale`: costs are made from the points in it, and predictions checked against them.
    #[arg(long)]
    results: Option<PathBuf>,
    /// The costs; written if there are results.
    #[arg(long, default_value = "load-tests/costs.txt")]
    costs: PathBuf,
    /// A document whose tables are brought up to date.
    #[arg(long)]
    document: Option<PathBuf>,
    /// Cores of the nodes and of Redis for this load alone: publishes a second.
    #[arg(long)]
    publishes: Option<f64>,
    #[arg(long, default_value_t = 2.0)]
    nodes: f64,
    #[arg(long, default_value_t = 8.0)]
    workers: f64,
    /// Nodes that hear of each publication; all of them if nothing is said.
    #[arg(long)]
    audience: Option<f64>,
    /// Frames that sockets get each second.
    #[arg(long, default_value_t = 0.0)]
    deliveries: f64,
    /// Connections that come each second.
    #[arg(long, default_value_t = 0.0)]
    arrivals: f64,
}

pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut tables = Vec::new();
    let costs = match &options.results {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            let points = Point::all(&serde_json::from_str(&text)?)?;
            let costs = Costs::from_points(&points)?;
            costs.write(&options.costs)?;
            tables.push(("checked", checked(&costs, &points)));
            costs
        }
        None => Costs::read(&options.costs)?,
    };
    if let Some(publishes) = options.publishes {
        let load = Load {
            nodes: options.nodes,
            workers: options.workers,
            publishes,
            audience: options.audience.unwrap_or(options.nodes),
            deliveries: options.deliveries,
            arrivals: options.arrivals,
        };
        println!("nodes: {:.2} cores in all", costs.nodes_us(&load) / 1e6);
        println!("Redis: {:.2} cores", costs.redis_us(&load) / 1e6);
        return Ok(());
    }
    tables.push(("costs", costs.table()));
    tables.push(("sizes", sizing::table(&costs)));
    for (name, table) in &tables {
        println!("{name}\n\n{table}");
    }
    options.document.as_deref().map_or(Ok(()), |document| renew(document, &tables))
}

/// Predicted beside measured, in per cent of a core.
fn checked(costs: &Costs, points: &[Point]) -> String {
    let mut text = String::from(
        "| load | nodes, measured | predicted | error | Redis, measured | predicted | error |\n|---|---|---|---|---|---|---|\n",
    );
    for point in points {
        let pair = |measured: f64, predicted: f64| {
            let error = (predicted / measured - 1.0) * 100.0;
            format!("{:.1} % | {:.1} % | {error:+.0} %", measured / 1e4, predicted / 1e4)
        };
        let nodes = pair(point.node_us(), costs.nodes_us(&point.load));
        let redis = pair(point.redis_us, costs.redis_us(&point.load));
        let _ = writeln!(text, "| {} | {nodes} | {redis} |", point.name);
    }
    text
}

/// Replaces what stands between `<!-- name -->` and `<!-- /name -->`.
fn renew(document: &Path, tables: &[(&str, String)]) -> anyhow::Result<()> {
    let mut text = std::fs::read_to_string(document).with_context(|| document.display().to_string())?;
    for (name, table) in tables {
        let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let begin = text.find(&open).with_context(|| format!("no {open} in {}", document.display()))? + open.len();
        let end = text.find(&close).with_context(|| format!("no {close} in {}", document.display()))?;
        ensure!(begin <= end, "{close} stands before {open}");
        text.replace_range(begin..end, &format!("{table}\n"));
    }
    Ok(std::fs::write(document, text)?)
}
