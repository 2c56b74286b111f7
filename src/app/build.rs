//! Settings to the options of each room. Whatever can still be wrong here is said before a port opens.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::auth::{
    self, Access, ApiKey, ApiKeys, Authenticator, AutomaticRooms, FetchKeys, Issuer, IssuerName, KeySource,
    OriginOptions, OriginPolicy,
};
use crate::config::{self, IssuerKey, Parser, Settings, Transport};
use crate::contract::VerbLimits;
use crate::flows::policy::{Namespaces, Policy, Refuse};
use crate::flows::{Application, Caps, Door, Limits, Replays};
use crate::ids::NodeId;
use crate::protocol::socket;
use crate::session::{Parsing, Speaks, Timing};
use crate::{api, backplane, ingest, redis, transport, upstream};

/// Something in the settings that only the room concerned could find wrong.
pub type Problems = Vec<String>;

/// The rules of every namespace.
///
/// # Errors
/// With every template or pattern that is not valid.
pub fn namespaces(settings: &Settings) -> Result<Namespaces, Problems> {
    let mut namespaces = Namespaces::default();
    let mut problems = Problems::new();
    for namespace in settings.namespaces.iter() {
        let name = namespace.name.as_str();
        let mut told = |faults: Vec<auth::OptionFault>| {
            problems.extend(faults.into_iter().map(|fault| format!("namespaces.{name}: {fault}")));
        };
        let access = Access::parse(&namespace.join, &namespace.publish).map_err(&mut told).unwrap_or_default();
        let automatic_rooms = AutomaticRooms::parse(&namespace.rooms).map_err(&mut told).unwrap_or_default();
        // An empty list means all of them.
        let all = || settings.auth.issuers.iter().map(|issuer| issuer.name.clone()).collect();
        let issuers: Vec<String> = if namespace.issuers.is_empty() { all() } else { namespace.issuers.clone() };
        let policy = Policy {
            anonymous: namespace.anonymous,
            issuers: issuers.iter().map(|name| IssuerName::from(name.as_str())).collect(),
            automatic_rooms,
            access,
            recovery: namespace.recovery,
            recovery_window_ms: namespace.recovery_window_s.saturating_mul(1_000),
            refuse: namespace.refuse.as_ref().map(|refuse| Refuse {
                message: refuse.message.clone(),
                data: refuse.data.as_ref().map(ToString::to_string),
            }),
            contract: namespace.contract.clone(),
        };
        match namespace.name.pattern() {
            Some(pattern) => namespaces.add_pattern(pattern.clone(), policy),
            None => namespaces.add(name, policy),
        }
    }
    if problems.is_empty() { Ok(namespaces) } else { Err(problems) }
}

/// # Errors
/// With everything that is wrong with issuers and their keys.
pub fn authenticator(settings: &Settings) -> Result<Authenticator, Problems> {
    let issuers: Vec<Issuer> = settings.auth.issuers.iter().map(issuer).collect();
    let fetches = issuers.iter().any(|issuer| matches!(issuer.key, KeySource::Jwks { .. }));
    let keys: Arc<dyn FetchKeys> = if fetches {
        Arc::new(upstream::KeyClient::new().map_err(|error| vec![format!("auth.issuers: {error}")])?)
    } else {
        Arc::new(upstream::NoKeys)
    };
    let told = |faults: Vec<auth::OptionFault>| faults.iter().map(|fault| format!("auth.{fault}")).collect();
    Authenticator::new(auth::Options { issuers }, &keys).map_err(told)
}

fn issuer(settings: &config::Issuer) -> Issuer {
    let key = match &settings.key {
        IssuerKey::Secret(secret) => KeySource::Secret(secret.clone()),
        IssuerKey::Pem(pem) => KeySource::Pem(pem.clone()),
        IssuerKey::Jwks(url) => KeySource::Jwks { url: url.clone() },
    };
    Issuer {
        issuer: Some(settings.issuer.clone()).filter(|issuer| !issuer.is_empty()),
        audiences: settings.audiences.clone(),
        leeway_s: settings.leeway_s,
        required_claims: settings.required_claims.clone(),
        subject_claim: settings.subject_claim.clone(),
        max_lifetime_s: settings.max_lifetime_s,
        authorized_parties: settings.authorized_parties.clone(),
        ..Issuer::new(&settings.name, settings.algorithms.clone(), key)
    }
}

fn api_keys(settings: &Settings) -> Result<ApiKeys, Problems> {
    let keys: Vec<ApiKey> =
        settings.publish.keys.iter().map(|key| ApiKey { name: key.name.clone(), key: key.key.clone() }).collect();
    ApiKeys::new(&keys).map_err(|faults| faults.iter().map(|fault| format!("publish.{fault}")).collect())
}

/// # Errors
/// With every API key that is not usable.
pub fn api_options(settings: &Settings) -> Result<api::Options, Problems> {
    let publish = &settings.publish;
    let namespaces = publish.keys.iter().map(|key| (key.name.clone(), key.namespaces.clone())).collect();
    Ok(api::Options {
        keys: api_keys(settings)?,
        key_namespaces: namespaces,
        issuers: publish.issuers.iter().map(|name| IssuerName::from(name.as_str())).collect(),
        loopback_without_key: publish.loopback_without_key,
        body_bytes: publish.body_bytes,
        batch: publish.batch,
        rate_per_s: publish.rate_per_s,
        development: settings.development,
        engine_path: settings.engine.path.clone(),
    })
}

pub fn backplane_options(settings: &Settings) -> backplane::Options {
    let (history, publish) = (&settings.history, &settings.publish);
    backplane::Options {
        history_entries: history.entries,
        history_bytes: history.bytes,
        history_age_s: history.age_s,
        idempotency_ttl_s: publish.idempotency_ttl_s,
        in_flight: publish.in_flight,
        in_flight_bytes: publish.in_flight_bytes,
        deadline_ms: publish.deadline_ms,
    }
}

/// `None` without a URL: then there is no Redis to speak to.
pub fn redis_options(settings: &Settings, node: NodeId) -> Option<redis::Options> {
    let Settings { redis: settings, tenant, .. } = settings;
    let url = settings.url.as_ref()?;
    Some(redis::Options {
        username: settings.username.clone(),
        password: settings.password.as_ref().map(|password| password.expose().to_owned()),
        ca_file: settings.ca_file.clone(),
        key_prefix: settings.key_prefix.clone(),
        ..redis::Options::new(url.expose(), node, tenant.clone())
    })
}

pub fn ingest_options(settings: &Settings) -> ingest::Options {
    let from = &settings.ingest;
    ingest::Options {
        inbox: from.inbox,
        plain: from.plain,
        plain_prefix: from.plain_prefix.clone(),
        emitter: from.emitter,
        emitter_key: from.emitter_key.clone(),
        python: from.python,
        python_channel: from.python_channel.clone(),
        message_bytes_max: settings.engine.max_payload_bytes,
        ..ingest::Options::default()
    }
}

pub fn flow_limits(settings: &Settings) -> Limits {
    let limits = &settings.limits;
    Limits {
        rooms_per_socket: limits.rooms_per_socket,
        namespaces_per_client: limits.namespaces_per_client,
        pending_acks: limits.pending_acks,
        verbs: VerbLimits {
            room_bytes: limits.room_name_bytes,
            event_bytes: limits.event_name_bytes,
            data_bytes: settings.engine.max_payload_bytes,
        },
        waiting_packets: 256,
        waiting_bytes: 2 * settings.engine.max_payload_bytes,
    }
}

pub fn replays(settings: &Settings) -> Replays {
    let recovery = &settings.recovery;
    let caps = Caps {
        room_events: recovery.room_events,
        session_events: recovery.session_events,
        session_bytes: recovery.session_bytes,
    };
    Replays::new(caps, recovery.replays)
}

/// The clients' door. `application` is [`Application::SocketIo`] but for those who use the engine alone.
///
/// # Errors
/// With what is wrong about the origins.
pub fn transport_options(settings: &Settings, application: Application) -> Result<transport::Options, Problems> {
    let origins = OriginPolicy::new(&OriginOptions {
        origins: origins(settings),
        credentials: settings.cors.credentials,
        max_age_s: u32::try_from(settings.cors.max_age_s).ok(),
        ..OriginOptions::default()
    });
    let told =
        |faults: Vec<auth::OptionFault>| faults.iter().map(|fault| format!("cors.{fault}")).collect::<Problems>();
    let origins = Arc::new(origins.map_err(told)?);
    let listener = |listener: config::Listener| transport::Listener {
        address: listener.listen,
        path: listener.engine.path.clone(),
        polling: listener.engine.offers(Transport::Polling),
        websocket: listener.engine.offers(Transport::Websocket),
        upgrade_timeout_ms: listener.engine.upgrade_timeout_ms,
        door: Arc::new(door(settings, &listener.engine, application)),
        origins: Arc::clone(&origins),
        check_websocket_origin: settings.cors.check_websocket_origin || only_this_machine(settings),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(transport::Options {
        listeners: settings.listeners().into_iter().map(listener).collect(),
        workers: if settings.workers == 0 { cores.min(WORKERS_MAX) } else { usize::from(settings.workers) },
        header_bytes_max: settings.limits.header_bytes,
        headers_max: settings.limits.headers,
        header_timeout_ms: settings.limits.header_timeout_ms,
        stall_ms: settings.limits.stall_ms,
        clients_max: if settings.limits.connections == 0 { open_files_max() } else { settings.limits.connections },
    })
}

const WORKERS_MAX: usize = 64;

/// In development, unless something is said, the pages of this machine may come in and no others: the gateway is open to
/// anybody there, and any web page could otherwise reach it through the developer's browser.
fn origins(settings: &Settings) -> Vec<String> {
    match settings.cors.reflect {
        true => vec!["reflect".to_owned()],
        false if only_this_machine(settings) => vec!["loopback".to_owned()],
        false => settings.cors.origins.clone(),
    }
}

fn only_this_machine(settings: &Settings) -> bool {
    settings.development && settings.cors.origins.is_empty() && !settings.cors.reflect
}

fn door(settings: &Settings, engine: &config::Engine, application: Application) -> Door {
    let speaks = match (application, engine.parser) {
        (Application::Messages(_), _) => Speaks::Engine,
        (Application::SocketIo, Parser::Default) => Speaks::SocketIo,
        (Application::SocketIo, Parser::Msgpack) => Speaks::MsgpackSocketIo,
    };
    let limits = &settings.limits;
    Door {
        timing: Timing {
            ping_interval_ms: engine.ping_interval_ms,
            ping_timeout_ms: engine.ping_timeout_ms,
            connect_timeout_ms: engine.connect_timeout_ms,
        },
        parsing: Parsing {
            speaks,
            limits: socket::Limits {
                attachments: limits.attachments,
                depth: limits.depth,
                event_name_bytes: limits.event_name_bytes,
            },
            payload_bytes_max: engine.max_payload_bytes,
        },
        application,
        outbox_bytes_max: limits.outbox_bytes,
    }
}

/// As many clients as the process may have files open, less what the gateway needs itself.
fn open_files_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)).and_then(|number| number.parse::<usize>().ok());
    soft.map_or(usize::MAX, |soft| soft.saturating_sub(FILES_OF_OUR_OWN).max(1))
}

const FILES_OF_OUR_OWN: usize = 128;

/// Where a client would connect to, for what is printed at start.
pub fn url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("http://localhost:{}", address.port())
    } else {
        format!("http://{address}")
    }
}
