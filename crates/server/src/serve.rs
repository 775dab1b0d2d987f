//! The listener: limits, routes, graceful drain.

use std::any::Any;
use std::io::{self, ErrorKind};
use std::net::{TcpListener, ToSocketAddrs};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use flash_core::InventoryStrategy;
use tokio::net::TcpSocket;

use crate::answers::Answers;
use crate::docs::Document;
use crate::metrics::{Attempts, Books, Collectors};
use crate::openapi;
use crate::routes::routes;
use crate::site::Site;

/// Connections that the kernel keeps for us until we accept them: a crowd arrives in one
/// moment, and the default of 1024 would make the rest wait for a second SYN.
const BACKLOG: u32 = 4096;

/// How long an idle connection is kept open: longer than a buyer needs to read a page.
pub const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How late the clock may be from which actix counts the wait for a head. Without it a
/// wait of less may be over before it begins, and a buyer on a new connection is told 408.
///
/// # Source
///
/// actix-http 3, `date.rs`: the time is read twice a second.
pub const CLOCK_LATENESS: Duration = Duration::from_millis(500);

/// Takes an address and port, so that nobody else can. Until [`listen`] whoever connects is
/// refused: a request that waited for the server to start might be served after its buyer
/// has gone and asked elsewhere.
///
/// # Errors
///
/// Whatever the operating system says; `InvalidInput` for what is no address.
pub fn bind(listen: &str) -> io::Result<TcpSocket> {
    let address = listen
        .to_socket_addrs()?
        .next()
        .ok_or(ErrorKind::InvalidInput)?;
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Listens, with room for a crowd that arrives in one moment. Needs a tokio runtime.
///
/// # Errors
///
/// Whatever the operating system says.
pub fn listen(socket: TcpSocket) -> io::Result<TcpListener> {
    socket.listen(BACKLOG)?.into_std()
}

/// Serves on a listener until `shutdown` completes; then `/readyz` is red and the listener
/// stays open for the time that `shutdown` names, so that a proxy sends nobody to where
/// nobody listens; then drains.
///
/// # Errors
///
/// Whatever the listener reports; metrics of ours that somebody else has registered.
///
/// # Cancel safety
///
/// A dropped future leaves the server running until the runtime stops.
pub async fn serve<S: InventoryStrategy>(
    listener: TcpListener,
    site: Site<S>,
    shutdown: impl Future<Output = Duration>,
) -> io::Result<()> {
    let (limits, docs) = (site.limits, site.docs);
    let site = web::Data::new(site);
    let draining = Arc::clone(&site.draining);
    let app_site = site.clone();
    let collectors = Collectors::get()?;
    let attempts = web::Data::new(Attempts::of(S::NAME, collectors));
    let books = web::Data::new(Books::default());
    let document = web::Data::new(Document(openapi::document()?));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(app_site.clone())
            .app_data(attempts.clone())
            .app_data(books.clone())
            .app_data(document.clone())
            .wrap(Answers::new(collectors, &draining))
            .configure(|config| routes::<S>(config, collectors, docs))
    })
    .on_connect(move |connection, _| cut_if_deaf(connection, limits.client_wait))
    .workers(limits.workers)
    .max_connections((limits.connections / limits.workers.max(1)).max(1))
    .keep_alive(KEEP_ALIVE)
    // Who closes a connection has hung up: the request is dropped, not finished.
    .h1_allow_half_closed(false)
    .client_request_timeout(limits.client_wait + CLOCK_LATENESS)
    .client_disconnect_timeout(Duration::from_secs(1))
    .shutdown_timeout(whole_seconds(limits.drain_wait))
    .disable_signals()
    .listen(listener)?
    .run();

    let handle = server.handle();
    let mut running = pin!(server);
    let open_for = tokio::select! {
        ended = &mut running => return ended,
        open_for = shutdown => open_for,
    };
    site.draining.store(true, Ordering::Relaxed);
    if !open_for.is_zero() {
        tracing::info!(?open_for, "draining: not ready, and still listening");
        tokio::select! {
            ended = &mut running => return ended,
            () = tokio::time::sleep(open_for) => {}
        }
    }
    tracing::info!("draining: no new connections, requests in flight are finished");
    let (ended, ()) = tokio::join!(running, handle.stop(true));
    ended
}

/// Has the kernel cut a connection whose other end takes nothing for so long: actix waits
/// for ever, with all that is yet to be written.
///
/// # Source
///
/// tcp(7), `TCP_USER_TIMEOUT`.
fn cut_if_deaf(connection: &dyn Any, wait: Duration) {
    #[cfg(target_os = "linux")]
    if let Some(connection) = connection.downcast_ref::<tokio::net::TcpStream>() {
        // It fails for a connection that is gone already.
        let _ = socket2::SockRef::from(connection).set_tcp_user_timeout(Some(wait));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (connection, wait);
}

/// Rounds up: a wait of less than a second must not become none.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
