//! socketioxide with its Redis adapter, as its documentation sets it up: `socketioxide-peer ADDRESS REDIS`.
//!
//! TCP_NODELAY is set, which `axum::serve` leaves off, and handlers are registered before the client hears that it is in.

use axum::serve::ListenerExt as _;
use serde::Deserialize;
use socketioxide::adapter::Adapter;
use socketioxide::extract::{AckSender, Data, SocketRef};
use socketioxide::handler::ConnectHandler as _;
use socketioxide::{SocketIo, TransportType};
use socketioxide_redis::drivers::redis::redis_client;
use socketioxide_redis::{RedisAdapter, RedisAdapterCtr};

#[derive(Deserialize)]
struct Join {
    room: String,
}

#[derive(Deserialize)]
struct Publish {
    room: String,
    event: String,
    data: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (address, redis) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default());
    let client = redis_client::Client::open(format!("redis://{redis}?protocol=resp3"))?;
    let adapter = RedisAdapterCtr::new_with_redis(&client).await?;
    let (layer, io) =
        SocketIo::builder().transports([TransportType::Websocket]).with_adapter::<RedisAdapter<_>>(adapter).build_layer();
    io.ns("/", connected.with(register)).await?;
    let listener = tokio::net::TcpListener::bind(address).await?.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, axum::Router::new().layer(layer)).await?;
    Ok(())
}

async fn connected<A: Adapter>(_: SocketRef<A>) {}

async fn register<A: Adapter>(socket: SocketRef<A>) -> Result<(), std::convert::Infallible> {
    socket.on("join", async |socket: SocketRef<A>, Data(join): Data<Join>, answer: AckSender<A>| {
        socket.join(join.room);
        let _ = answer.send(&true);
    });
    socket.on("publish", async |io: SocketIo<A>, Data(message): Data<Publish>| {
        let _ = io.to(message.room).emit(message.event, &message.data).await;
    });
    Ok(())
}
