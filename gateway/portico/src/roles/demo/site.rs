//! The demo's example shop: a page of somebody's website with the widget on it, under the strictest policy that
//! the widget promises to live with.

use std::sync::Arc;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::HeaderName;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use portico_store::Store;

use super::journal;

/// What the page may do: its own files and the gateway, nothing else; no inline code, no inline style, no HTML
/// from strings.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      media-src 'self'; connect-src 'self' ws: wss:; frame-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// A file of the site.
#[derive(Clone, Copy)]
struct Asset {
    path: &'static str,
    kind: &'static str,
    body: &'static [u8],
}

const ASSETS: [Asset; 8] = [
    Asset { path: "/", kind: "text/html; charset=utf-8", body: include_bytes!("site/index.html") },
    Asset { path: "/demo/site.css", kind: "text/css; charset=utf-8", body: include_bytes!("site/site.css") },
    Asset {
        path: "/demo/site.js",
        kind: "text/javascript; charset=utf-8",
        body: include_bytes!("site/site.js"),
    },
    Asset { path: "/demo/icon.svg", kind: "image/svg+xml", body: include_bytes!("site/icon.svg") },
    Asset { path: "/demo/lake.png", kind: "image/png", body: include_bytes!("site/lake.png") },
    Asset { path: "/demo/bell.wav", kind: "audio/wav", body: include_bytes!("site/bell.wav") },
    Asset { path: "/demo/drift.webm", kind: "video/webm", body: include_bytes!("site/drift.webm") },
    Asset { path: "/demo/plans.pdf", kind: "application/pdf", body: include_bytes!("site/plans.pdf") },
];

/// The site's routes, with the strip that shows the journal of a store.
pub(super) fn router(store: Arc<dyn Store>) -> Router {
    let mut router = Router::new().route("/demo/journal", get(move || journal::stream(store.clone())));
    for asset in ASSETS {
        router = router.route(asset.path, get(async move || serve(asset)));
    }
    router
}

fn serve(asset: Asset) -> impl IntoResponse {
    let headers: [(HeaderName, &str); 5] = [
        (CONTENT_TYPE, asset.kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-cache"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (headers, asset.body)
}
