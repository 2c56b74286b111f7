//! `fanfare serve`: start, serve, drain, stop.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::LocalSet;

use super::build;
use super::middle::Middle;
use super::stop::{self, Running};
use crate::admin::{self, Admin, Readiness};
use crate::api;
use crate::auth::Authenticator;
use crate::backplane::LaneOptions;
use crate::clock::Clock;
use crate::config::{self, Flags, LogFormat, Settings};
use crate::flows::cluster::Cluster;
use crate::flows::deliver::{Lanes, Outlet};
use crate::flows::policy::Namespaces;
use crate::flows::{Application, Services, random};
use crate::ids::NodeId;
use crate::meters::Meters;
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
    api: api::Options,
}

impl Parts {
    /// # Errors
    /// With everything that is wrong, from all rooms.
    pub fn of(settings: &Settings, application: Application) -> Result<Self, build::Problems> {
        let mut problems = build::Problems::new();
        let authenticator = build::authenticator(settings).map_err(|found| problems.extend(found)).ok();
        let namespaces = build::namespaces(settings).map_err(|found| problems.extend(found)).ok();
        let transport = build::transport_options(settings, application).map_err(|found| problems.extend(found)).ok();
        let api = build::api_options(settings).map_err(|found| problems.extend(found)).ok();
        match (authenticator, namespaces, transport, api) {
            (Some(authenticator), Some(namespaces), Some(transport), Some(api)) => {
                Ok(Self { authenticator, namespaces, transport, api })
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

/// Everything beside the workers runs on this one thread: the backplane, the lanes, the operators' door; a single worker, too.
///
/// # Errors
/// If a port, the exporter or Redis cannot be had.
pub fn run(settings: &Settings, parts: Parts) -> anyhow::Result<()> {
    let exporter = Exporter::install().context("the metrics recorder could not be installed")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the control runtime could not be started")?;
    LocalSet::new().block_on(&runtime, live(settings, parts, exporter))
}

async fn live(settings: &Settings, parts: Parts, exporter: Exporter) -> anyhow::Result<()> {
    let listening = Listening::bind(parts.transport).map_err(|(address, error)| {
        anyhow::anyhow!("cannot listen on {address}: {error}; choose another address with --listen")
    })?;
    let operators = tokio::net::TcpListener::bind(settings.admin).await;
    let operators = operators
        .with_context(|| format!("cannot listen on {}; choose another address with --admin", settings.admin))?;
    for warning in settings.warnings() {
        tracing::warn!(event = "realtime.config_warning", "{warning}");
    }
    let (tasks, foreign, clock) = (Tasks::default(), Tasks::default(), Clock::start());
    let node = NodeId::from_random(random());
    let middle = Middle::open(settings, node, &tasks).await?;
    let address = middle.advertised(settings, listening.address()).await;
    let secret = settings.cluster.secret.as_ref();
    let cluster = Cluster::new(node, address, Arc::clone(&middle.nodes), clock, secret);
    let outlet = Arc::new(WorkerOutlet::default());
    let lanes = lanes(settings, &middle, &outlet, clock, &tasks);
    let services = Arc::new(Services {
        cluster: Arc::clone(&cluster),
        tenant: settings.tenant.clone(),
        clock,
        tasks: tasks.clone(),
        meters: Meters::new(),
        backplane: Arc::clone(&middle.backplane),
        sessions: Arc::clone(&middle.sessions),
        replays: build::replays(settings),
        lanes,
        outlet: outlet.clone(),
        authenticator: parts.authenticator,
        namespaces: parts.namespaces,
        limits: build::flow_limits(settings),
    });
    let counts = middle.lead(settings, &services, &foreign);
    let readiness = Arc::new(Readiness::new());
    let upkeep = exporter.clone();
    let admin = Admin {
        readiness: Arc::clone(&readiness),
        backplane: Arc::clone(&middle.backplane),
        render: Arc::new(move || {
            counts.report();
            exporter.render()
        }),
    };
    tasks.spawn("admin", serve_operators(operators, admin::router(admin), tasks.clone()));
    tasks.spawn("upkeep", run_upkeep(upkeep, tasks.clone()));
    tasks.spawn("keys", fetch_keys(Arc::clone(&services)));
    cluster.enter().await.context("the registry of nodes could not be entered")?;
    tasks.spawn("nodes", Arc::clone(&cluster).keep(tasks.clone()));
    let router = api::router(parts.api, Arc::clone(&services));
    let started = transport::start(listening, &services, &outlet, &router);
    readiness.ready();
    announce(settings, &started);
    stop::until_told(
        settings,
        Running { readiness: &readiness, started, cluster: &cluster, foreign: &foreign, tasks: &tasks },
    )
    .await
}

fn lanes(settings: &Settings, middle: &Middle, outlet: &Arc<WorkerOutlet>, clock: Clock, tasks: &Tasks) -> Lanes {
    let options = LaneOptions { history_age_ms: settings.history.age_s * 1_000, ..LaneOptions::default() };
    let outlet: Arc<dyn Outlet> = outlet.clone();
    Lanes::start(Arc::clone(&middle.backplane), outlet, Arc::new(move || clock.now_ms()), options, tasks.parts())
}

async fn serve_operators(listener: tokio::net::TcpListener, router: axum::Router, tasks: Tasks) {
    let served = axum::serve(listener, router);
    tokio::select! {
        () = tasks.stopping() => {}
        outcome = served => if let Err(error) = outcome {
            tracing::error!(event = "realtime.admin_failed", %error, "the admin port is no longer served");
        }
    }
}

/// Keys are fetched ahead, so that the first client need not wait for them.
async fn fetch_keys(services: Arc<Services>) {
    if let Err(issuers) = services.authenticator.warm(services.clock.wall_ms()).await {
        tracing::warn!(
            event = "realtime.keys_unavailable",
            ?issuers,
            "no keys yet; tried again when a token needs them"
        );
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

async fn run_upkeep(exporter: Exporter, tasks: Tasks) {
    let mut interval = tokio::time::interval(Duration::from_secs(5));
    loop {
        tokio::select! {
            () = tasks.stopping() => return,
            _ = interval.tick() => exporter.run_upkeep(),
        }
    }
}
