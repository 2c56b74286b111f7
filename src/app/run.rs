//! `fanfare serve`: start, serve, drain, stop.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use super::build;
use crate::auth::Authenticator;
use crate::backplane::{Backplane, Ingest, LaneOptions};
use crate::clock::{Clock, wall_ms};
use crate::config::{self, Flags, LogFormat, Settings};
use crate::flows::deliver::{Lanes, Outlet};
use crate::flows::policy::Namespaces;
use crate::flows::{Application, Services, random};
use crate::ids::{Namespace, NodeId};
use crate::ingest::Leader;
use crate::memory::MemoryBackplane;
use crate::meters::Meters;
use crate::redis;
use crate::tasks::Tasks;
use crate::telemetry::{self, Exporter, Form, LogOptions};
use crate::transport::{self, Listening, Started, WorkerOutlet};

/// Runs the gateway until it is told to stop.
pub fn serve(flags: Flags) -> ExitCode {
    let settings = match config::read_process(flags) {
        Ok(settings) => settings,
        Err(faults) => return refuse(faults.iter().map(ToString::to_string)),
    };
    let parts = match Parts::of(&settings, Application::SocketIo) {
        Ok(parts) => parts,
        Err(problems) => return refuse(problems),
    };
    if let Err(error) = telemetry::install(log_options(&settings)) {
        eprintln!("fanfare: the log could not be set up: {error}");
        return ExitCode::FAILURE;
    }
    match run(&settings, parts) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(event = "realtime.start_failed", "{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What was built from the settings before anything started.
pub struct Parts {
    authenticator: Authenticator,
    namespaces: Namespaces,
    transport: transport::Options,
}

impl Parts {
    /// # Errors
    /// With everything that is wrong, from all rooms.
    pub fn of(settings: &Settings, application: Application) -> Result<Self, build::Problems> {
        let mut problems = build::Problems::new();
        let authenticator = build::authenticator(settings).map_err(|found| problems.extend(found)).ok();
        let namespaces = build::namespaces(settings).map_err(|found| problems.extend(found)).ok();
        let transport = build::transport_options(settings, application).map_err(|found| problems.extend(found)).ok();
        match (authenticator, namespaces, transport) {
            (Some(authenticator), Some(namespaces), Some(transport)) => {
                Ok(Self { authenticator, namespaces, transport })
            }
            _ => Err(problems),
        }
    }
}

fn refuse(faults: impl IntoIterator<Item = String>) -> ExitCode {
    for fault in faults {
        eprintln!("fanfare: {fault}");
    }
    ExitCode::from(config::EXIT_CODE)
}

fn log_options(settings: &Settings) -> LogOptions {
    let form = match settings.log.format {
        LogFormat::Auto => None,
        LogFormat::Json => Some(Form::Json),
        LogFormat::Pretty => Some(Form::Pretty),
    };
    LogOptions { level: settings.log.level.as_str().parse().unwrap_or(tracing::Level::INFO), form }
}

/// Everything beside the workers runs on this one runtime: the backplane, the lanes, the operators' door.
///
/// # Errors
/// If a port, the exporter or Redis cannot be had.
pub fn run(settings: &Settings, parts: Parts) -> anyhow::Result<()> {
    let exporter = Exporter::install().context("the metrics recorder could not be installed")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
        .context("the control runtime could not be started")?;
    runtime.block_on(live(settings, parts, exporter))
}

const CONTROL_THREADS: usize = 2;

async fn live(settings: &Settings, parts: Parts, exporter: Exporter) -> anyhow::Result<()> {
    let listening = Listening::bind(parts.transport).map_err(|(address, error)| {
        anyhow::anyhow!("cannot listen on {address}: {error}; choose another with --listen")
    })?;
    for warning in settings.warnings() {
        tracing::warn!(event = "realtime.config_warning", "{warning}");
    }
    let tasks = Tasks::default();
    let clock = Clock::start();
    let node = NodeId::from_random(random());
    let foreign = Tasks::default();
    let middle = Middle::open(settings, &node, &tasks).await?;
    let backplane = Arc::clone(&middle.backplane);
    let outlet = Arc::new(WorkerOutlet::default());
    let lane_options = LaneOptions { history_age_ms: settings.history.age_s * 1_000, ..LaneOptions::default() };
    let (lanes_backplane, lanes_outlet): (_, Arc<dyn Outlet>) = (Arc::clone(&backplane), outlet.clone());
    let lane_clock = Arc::new(move || clock.now_ms());
    let lanes = Lanes::start(lanes_backplane, lanes_outlet, lane_clock, lane_options, tasks.parts());
    let services = Arc::new(Services {
        node,
        tenant: settings.tenant.clone(),
        clock,
        tasks: tasks.clone(),
        meters: Meters::new(),
        backplane,
        lanes,
        outlet: outlet.clone(),
        authenticator: parts.authenticator,
        namespaces: parts.namespaces,
        limits: build::flow_limits(settings),
    });
    let _leader = middle.lead(settings, &services, &foreign);
    let router = axum::Router::new();
    let started = transport::start(listening, &services, &outlet, &router);
    tasks.spawn("upkeep", upkeep(exporter, tasks.clone()));
    announce(settings, &started);
    until_told_to_stop(settings, &tasks, &foreign, started).await
}

/// What stands between the nodes.
struct Middle {
    backplane: Arc<dyn Backplane>,
    /// The foreign ways in; only Redis has them.
    ingest: Option<Arc<dyn Ingest>>,
}

impl Middle {
    async fn open(settings: &Settings, node: &NodeId, tasks: &Tasks) -> anyhow::Result<Self> {
        let options = build::backplane_options(settings);
        let Some(redis) = build::redis_options(settings, node.clone()) else {
            tracing::info!(
                event = "realtime.backplane",
                kind = "memory",
                "embedded backplane: one node, nothing survives a restart; give --redis URL for more"
            );
            return Ok(Self { backplane: Arc::new(MemoryBackplane::new(options, wall_ms)), ingest: None });
        };
        let (tracker, stop) = tasks.parts();
        let connected = redis::connect(redis, options, &tracker, &stop).await;
        let connected = Arc::new(connected.context("the backplane could not be opened; `fanfare doctor` says more")?);
        tracing::info!(event = "realtime.backplane", kind = "redis", "connected");
        Ok(Self { backplane: connected.clone(), ingest: Some(connected) })
    }

    /// Takes part in the election for the foreign ways in, for every namespace that is written out.
    fn lead(&self, settings: &Settings, services: &Services, tasks: &Tasks) -> Option<Leader> {
        let ingest = Arc::clone(self.ingest.as_ref()?);
        let named = services.namespaces.names().filter_map(|name| Namespace::new(name).ok());
        let partitions = named.map(|namespace| services.partition(&namespace)).collect();
        let (tracker, stop) = tasks.parts();
        let options = build::ingest_options(settings);
        Some(Leader::start(Arc::clone(&self.backplane), ingest, options, partitions, (&tracker, stop), wall_ms))
    }
}

fn announce(settings: &Settings, started: &Started) {
    let Some(address) = started.addresses.first() else { return };
    let url = build::url(*address);
    tracing::info!(event = "realtime.listening", %url, admin = %settings.admin, "the gateway is up");
    if settings.development {
        eprintln!("\n  Fanfare is up (development mode, open to anybody who can reach it)\n");
        eprintln!("  open      {url}/");
        eprintln!("  connect   io(\"{url}\")");
        eprintln!("  publish   fanfare publish --url {url} --room kitchen order:created '{{\"id\":1}}'");
        eprintln!("  watch     fanfare tail --url {url} --room kitchen\n");
    }
}

/// Inputs: the first SIGTERM or SIGINT drains; a second one stops hard.
async fn until_told_to_stop(
    settings: &Settings,
    tasks: &Tasks,
    foreign: &Tasks,
    started: Started,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be watched")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be watched")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    let grace = Duration::from_millis(settings.drain.grace_ms);
    let window = Duration::from_millis(settings.drain.window_ms);
    tracing::info!(event = "realtime.drain", ?grace, ?window, "draining; a second signal stops at once");
    let drained = async {
        tokio::time::sleep(grace).await;
        started.drain(window).await;
        started.emptied().await;
    };
    tokio::select! {
        biased;
        _ = terminate.recv() => tracing::warn!(event = "realtime.stop_hard", "second signal: stopping at once"),
        _ = interrupt.recv() => tracing::warn!(event = "realtime.stop_hard", "second signal: stopping at once"),
        _ = tokio::time::timeout(window + STOP_SLACK, drained) => {}
    }
    // The leader hands its seats over while the backplane is still there.
    foreign.stop();
    let _ = tokio::time::timeout(STOP_SLACK, foreign.ended()).await;
    tasks.stop();
    let _ = tokio::time::timeout(STOP_SLACK, tasks.ended()).await;
    tracing::info!(event = "realtime.stopped", "stopped");
    Ok(())
}

/// What ending may take beyond its window.
const STOP_SLACK: Duration = Duration::from_secs(5);

async fn upkeep(exporter: Exporter, tasks: Tasks) {
    let mut interval = tokio::time::interval(Duration::from_secs(5));
    loop {
        tokio::select! {
            () = tasks.stopping() => return,
            _ = interval.tick() => exporter.run_upkeep(),
        }
    }
}
