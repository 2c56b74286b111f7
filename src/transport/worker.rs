//! Worker threads: each accepts its own connections and owns them to the end.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use super::doorway::Doorway;
use super::links::Local;
use super::mailbox::{Mailbox, Mailboxes, Message, WorkerOutlet};
use super::options::{Listener, Options};
use super::request::{Entrance, serve};
use crate::closing::Closing;
use crate::flows::fan_out::apply;
use crate::flows::{Services, Worker};
use crate::hub::Wheel;

/// Connections that wait to be accepted; the kernel's own limit may be lower.
const BACKLOG: i32 = 4_096;

/// Publications a worker takes in before it writes, so that a busy room meets many frames in one write and an idle one waits
/// for nothing.
const BATCH: usize = 64;

/// The door's sockets, bound but not yet served: whatever is wrong with an address is known before anything starts.
pub struct Listening {
    options: Options,
    sockets: Vec<Vec<StdListener>>,
}

/// The workers, running.
pub struct Started {
    mailboxes: Mailboxes,
    threads: Vec<JoinHandle<()>>,
    /// Where each listener listens, ports filled in.
    pub addresses: Vec<SocketAddr>,
}

impl Listening {
    /// Binds every listener once for each worker.
    ///
    /// # Errors
    /// The first address that cannot be had.
    pub fn bind(mut options: Options) -> Result<Self, (SocketAddr, std::io::Error)> {
        let mut sockets: Vec<Vec<StdListener>> = (0..options.workers).map(|_| Vec::new()).collect();
        for listener in &mut options.listeners {
            let named = |error| (listener.address, error);
            // Shared ports hide a second process on the same port, so whether it is free is asked without sharing.
            if listener.address.port() != 0 {
                bind(listener.address, false).map_err(named)?;
            }
            for worker in &mut sockets {
                let socket = bind(listener.address, true).map_err(|error| (listener.address, error))?;
                listener.address = socket.local_addr().map_err(|error| (listener.address, error))?;
                worker.push(socket);
            }
        }
        Ok(Self { options, sockets })
    }

    /// Of the first listener, port filled in.
    pub fn address(&self) -> SocketAddr {
        self.options.listeners[0].address
    }
}

fn bind(address: SocketAddr, share: bool) -> std::io::Result<StdListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    if share {
        // Each connection inherits these from its listener.
        socket.set_tcp_nodelay(true)?;
        // An HTTP answer that nobody reads has no other end: its session is gone long before.
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(UNREAD_MAX))?;
        socket.listen(BACKLOG)?;
    }
    Ok(socket.into())
}

/// Starts the workers, each on a thread of its own; a single one lives on the caller's, beside everything else: on one core
/// another thread would only cost a change of threads for every publication. `router` serves what is not Engine.IO.
///
/// # Panics
/// Outside a `LocalSet`, or if the system has no thread to give; without its workers a gateway can serve nobody.
pub fn start(listening: Listening, services: &Arc<Services>, outlet: &WorkerOutlet, router: &axum::Router) -> Started {
    let Listening { options, sockets } = listening;
    let addresses = options.listeners.iter().map(|listener| listener.address).collect();
    let options = Arc::new(options);
    let (mailboxes, receivers) = Mailboxes::new(options.workers);
    outlet.open(mailboxes.clone(), Arc::clone(services));
    let mut lives = sockets.into_iter().zip(receivers).enumerate().map(|(index, (sockets, mailbox))| {
        let index = u8::try_from(index).expect("the configuration allows 64 workers at most");
        let (options, services) = (Arc::clone(&options), Arc::clone(services));
        let (mailboxes, router) = (mailboxes.clone(), router.clone());
        move || {
            let worker = Rc::new(Worker::new(index, services, options.clients_max / options.workers));
            live(Rc::new(Local::new(worker, options, mailboxes)), sockets, mailbox, router)
        }
    });
    let mut threads = Vec::new();
    if options.workers == 1 {
        lives.by_ref().for_each(|life| drop(services.tasks.spawn_local(life())));
    }
    for (index, life) in lives.enumerate() {
        let body = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a thread that just started can have a runtime");
            LocalSet::new().block_on(&runtime, life());
        };
        let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(body);
        threads.push(thread.expect("the system starts a thread for each core"));
    }
    Started { mailboxes, threads, addresses }
}

impl Started {
    /// Closes every client's transport, spread over `window`, without a Socket.IO DISCONNECT: the clients come back elsewhere.
    pub async fn drain(&self, window: Duration) {
        for worker in 0..self.mailboxes.len() {
            let index = u8::try_from(worker).unwrap_or(u8::MAX);
            self.mailboxes.run(index, move |local| drain(local, window)).await;
        }
    }

    /// Resolves when no client is left, here or on another node through this one.
    pub async fn emptied(&self) {
        for worker in 0..self.mailboxes.len() {
            let index = u8::try_from(worker).unwrap_or(u8::MAX);
            loop {
                let (answer, asked) = tokio::sync::oneshot::channel();
                let look = move |local: &Rc<Local>| {
                    let _ = answer.send(local.worker.hub.borrow().client_count() + local.forwarder.under_way());
                };
                self.mailboxes.run(index, look).await;
                if asked.await.unwrap_or(0) == 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Waits for the threads; they end when the tasks are told to stop.
    pub fn join(self) {
        for thread in self.threads {
            // A worker that panicked has said so on its own.
            let _ = thread.join();
        }
    }
}

/// A worker's life: accepts, takes publications in, writes out, watches the time, until the process stops.
async fn live(local: Rc<Local>, sockets: Vec<StdListener>, mailbox: Mailbox, router: axum::Router) {
    let tasks = local.worker.services.tasks.clone();
    for (index, socket) in sockets.into_iter().enumerate() {
        let listener = local.options.listeners[index].clone();
        tasks.spawn_local(accept(Rc::clone(&local), socket, Rc::new(listener), router.clone()));
    }
    tasks.spawn_local(write_out(Rc::clone(&local)));
    tasks.spawn_local(keep_time(Rc::clone(&local)));
    take_in(&local, mailbox).await;
}

/// Inputs: publications and orders from elsewhere; the stop of the process.
async fn take_in(local: &Rc<Local>, mut mailbox: Mailbox) {
    let tasks = local.worker.services.tasks.clone();
    let _vital = tasks.vital("take_in");
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            biased;
            () = tasks.stopping() => return,
            count = mailbox.recv_many(&mut batch, BATCH) => if count == 0 { return },
        }
        for message in batch.drain(..) {
            match message {
                Message::Deliver(delivery) => apply(&local.worker, &delivery),
                Message::Run(work) => work(local),
            }
        }
        if local.worker.hub.borrow().has_dirty() {
            local.worker.flush.notify_one();
        }
    }
}

/// Input: the signal that something was queued. It runs behind whatever was ready before it, which is what lets frames meet.
async fn write_out(local: Rc<Local>) {
    let tasks = local.worker.services.tasks.clone();
    let _vital = tasks.vital("write_out");
    let mut dirty = Vec::new();
    loop {
        tokio::select! {
            biased;
            () = tasks.stopping() => return,
            () = local.worker.flush.notified() => local.flush(&mut dirty),
        }
    }
}

/// Input: the tick of the timer wheel.
async fn keep_time(local: Rc<Local>) {
    let tasks = local.worker.services.tasks.clone();
    let _vital = tasks.vital("keep_time");
    let mut tick = tokio::time::interval(Duration::from_millis(Wheel::TICK_MS));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut fired = Vec::new();
    let mut ticks = 0_u64;
    loop {
        tokio::select! {
            biased;
            () = tasks.stopping() => return,
            _ = tick.tick() => {}
        }
        local.worker.tick(&mut fired);
        ticks += 1;
        if ticks.is_multiple_of(SWEEP_TICKS) {
            local.sweep();
            local.worker.report();
        }
    }
}

const SWEEP_TICKS: u64 = 100;

/// How long a peer may leave what was sent unacknowledged, or its window shut, before the system closes the connection.
#[cfg(target_os = "linux")]
const UNREAD_MAX: Duration = Duration::from_secs(60);

/// Inputs: new connections; the stop of the process.
async fn accept(local: Rc<Local>, socket: StdListener, listener: Rc<Listener>, router: axum::Router) {
    let tasks = local.worker.services.tasks.clone();
    let socket = match TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::error!(event = "realtime.listener_failed", %error, "a listener could not be served");
            return;
        }
    };
    let _vital = tasks.vital("accept");
    loop {
        let accepted = tokio::select! {
            biased;
            () = tasks.stopping() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                #[cfg(not(target_os = "linux"))]
                let _ = stream.set_nodelay(true);
                let entrance = Entrance::new(&local, &listener, &router, peer);
                tasks.spawn_local(connection(stream, Rc::new(entrance)));
            }
            // Out of file descriptors, most likely: wait for some to come back instead of spinning.
            Err(error) => {
                tracing::warn!(event = "realtime.accept_failed", %error, "raise the limit of open files or lower limits.connections");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves one connection's requests until it closes or becomes a WebSocket.
async fn connection(stream: TcpStream, entrance: Rc<Entrance>) {
    let options = &entrance.local.options;
    let answering = Rc::clone(&entrance);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(options.header_timeout_ms))
        .max_headers(options.headers_max)
        .max_buf_size(options.header_bytes_max)
        .serve_connection(
            Doorway::new(stream, Rc::clone(&entrance)),
            service_fn(move |request| Box::pin(serve(Rc::clone(&answering), request))),
        )
        .without_shutdown();
    let outcome = tokio::select! {
        biased;
        () = entrance.local.worker.services.tasks.stopping() => return,
        outcome = served => outcome,
    };
    match outcome {
        Ok(parts) => entrance.hand_over(parts.io, parts.read_buf),
        Err(error) => tracing::debug!(event = "realtime.http_error", %error, "connection ended early"),
    }
}

/// Sends the clients of one worker away, a slice of them every tick, in random order.
fn drain(local: &Rc<Local>, window: Duration) {
    local.draining.set(true);
    local.forwarder.drain(window);
    let mut keys = local.worker.hub.borrow().client_keys();
    shuffle(&mut keys);
    let local = Rc::clone(local);
    let tasks = local.worker.services.tasks.clone();
    tasks.spawn_local(async move {
        let ticks = u32::try_from(window.as_millis() / DRAIN_TICK.as_millis()).unwrap_or(u32::MAX).max(1);
        let slice = keys.len().div_ceil(ticks as usize).max(1);
        for slice in keys.chunks(slice) {
            for key in slice {
                local.worker.close(*key, Closing::Drain);
            }
            tokio::time::sleep(DRAIN_TICK).await;
        }
        // Those that came in between, and those whose network has not taken the last of it.
        let rest = local.worker.hub.borrow().client_keys();
        for key in rest {
            local.worker.close(key, Closing::Drain);
        }
    });
}

const DRAIN_TICK: Duration = Duration::from_millis(50);

/// Fisher–Yates.
fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        let random = usize::from_ne_bytes(crate::flows::random());
        items.swap(last, random % (last + 1));
    }
}
