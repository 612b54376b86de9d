//! The pages for Prometheus and for the orchestrator's probes.

use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::json;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{Health, Metrics};

/// How long a shutdown waits for requests that are still being answered. A client that never ends its request must not
/// keep the process from ending.
const GRACE: Duration = Duration::from_secs(1);

const INDEX: &str = "tapwatch\n\n/metrics\n/health/live\n/health/ready\n";

/// Why the pages can no longer be served.
#[derive(Debug, Error)]
#[error("the metrics and health pages cannot be served: {0}")]
pub struct ServeError(#[from] io::Error);

/// Serves `/metrics`, `/health/live`, `/health/ready` and an index until `shutdown` completes.
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    health: Health,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let (stopping, stop_seen) = oneshot::channel();
    let shutdown = async move {
        shutdown.await;
        // The receiver is gone only when the server itself has ended.
        let _ = stopping.send(());
    };
    let grace_is_over = async move {
        match stop_seen.await {
            Ok(()) => tokio::time::sleep(GRACE).await,
            // The server ended before it was asked to, and the other branch says why.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        served = axum::serve(listener, pages(metrics, health)).with_graceful_shutdown(shutdown) => Ok(served?),
        () = grace_is_over => Ok(()),
    }
}

fn pages(metrics: Metrics, health: Health) -> Router {
    let metrics = move || async move { ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], metrics.page()) };
    let live = {
        let health = health.clone();
        move || async move { verdict("live", health.liveness(Instant::now()).map_err(|late| late.to_string())) }
    };
    let ready = move || async move { verdict("ready", health.readiness().map_err(|reason| reason.into_owned())) };
    Router::new()
        .route("/", get(INDEX))
        .route("/metrics", get(metrics))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
}

/// 200 `{"live":true}`, or 503 `{"live":false,"reason":"…"}`.
fn verdict(what: &str, answer: Result<(), String>) -> impl IntoResponse + use<> {
    let (status, body) = match answer {
        Ok(()) => (StatusCode::OK, json!({ what: true })),
        Err(reason) => (
            StatusCode::SERVICE_UNAVAILABLE,
            json!({ what: false, "reason": reason }),
        ),
    };
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};

    use tokio::task::JoinHandle;

    use super::*;

    /// Long enough for the slowest machine: it ends a test that hangs and measures nothing.
    const HANGS: Duration = Duration::from_secs(60);

    struct Server {
        address: SocketAddr,
        stop: oneshot::Sender<()>,
        served: JoinHandle<Result<(), ServeError>>,
    }

    impl Server {
        async fn start(metrics: Metrics, health: Health) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (stop, stopped) = oneshot::channel();
            let served = tokio::spawn(serve(listener, metrics, health, async move { stopped.await.unwrap() }));
            Self { address, stop, served }
        }

        /// The status, the content type and the body of a page.
        async fn get(&self, path: &'static str) -> (u16, String, String) {
            let address = self.address;
            tokio::task::spawn_blocking(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(HANGS)).unwrap();
                write!(
                    stream,
                    "GET {path} HTTP/1.1\r\nhost: tapwatch\r\nconnection: close\r\n\r\n"
                )
                .unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                let (head, body) = answer.split_once("\r\n\r\n").unwrap();
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                let kind = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-type: "))
                    .unwrap_or_default();
                (status, kind.to_owned(), body.to_owned())
            })
            .await
            .unwrap()
        }

        async fn stop(self) {
            self.stop.send(()).unwrap();
            tokio::time::timeout(HANGS, self.served)
                .await
                .expect("the server ends")
                .unwrap()
                .unwrap();
        }
    }

    fn page(status: u16, kind: &str, body: &str) -> (u16, String, String) {
        (status, kind.to_owned(), body.to_owned())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn the_pages_follow_the_state_of_the_engine() {
        let metrics = Metrics::new();
        let health = Health::new(Instant::now(), Duration::from_secs(3600));
        let server = Server::start(metrics.clone(), health.clone()).await;

        metrics.dead_letters("no_timestamp", 2);
        let (status, kind, body) = server.get("/metrics").await;
        assert_eq!((status, kind.as_str()), (200, "text/plain; version=0.0.4"));
        assert!(
            body.contains("\ntapwatch_dead_letters_total{reason=\"no_timestamp\"} 2\n"),
            "{body}"
        );
        assert_eq!(body, metrics.page());

        health.set_not_ready("restoring partitions 3 of 8");
        let waiting = r#"{"ready":false,"reason":"restoring partitions 3 of 8"}"#;
        assert_eq!(
            server.get("/health/ready").await,
            page(503, "application/json", waiting)
        );
        assert_eq!(
            server.get("/health/live").await,
            page(200, "application/json", r#"{"live":true}"#)
        );
        health.set_ready();
        assert_eq!(
            server.get("/health/ready").await,
            page(200, "application/json", r#"{"ready":true}"#)
        );

        assert_eq!(server.get("/").await, page(200, "text/plain; charset=utf-8", INDEX));
        assert_eq!(server.get("/homes").await.0, 404);
        server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn an_engine_that_stands_still_is_not_live_until_it_moves() {
        // A limit that has passed by the time anybody asks, and then a heartbeat far enough ahead to count.
        let started = Instant::now();
        let health = Health::new(started, Duration::ZERO);
        let server = Server::start(Metrics::new(), health.clone()).await;

        let (status, _, body) = server.get("/health/live").await;
        assert_eq!(status, 503);
        assert!(
            body.starts_with(r#"{"live":false,"reason":"no heartbeat for "#),
            "{body}"
        );
        health.heartbeat(started + Duration::from_secs(3600));
        assert_eq!(server.get("/health/live").await.0, 200);
        server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_client_that_never_ends_its_request_does_not_keep_the_process_from_ending() {
        let server = Server::start(Metrics::new(), Health::new(Instant::now(), HANGS)).await;
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: tap").unwrap();
        // Once this later request is answered, the first connection has been accepted too.
        assert_eq!(server.get("/").await.0, 200);
        server.stop().await;
        drop(stream);
    }
}
