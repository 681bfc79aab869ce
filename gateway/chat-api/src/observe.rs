//! Routes whose operations are counted by name.

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, on};
use portico_serve::observe::{Operation, observe};

use crate::Api;

/// Routes that are counted by name.
pub(crate) struct Routes {
    api: Api,
    base: &'static str,
    /// So far.
    pub(crate) router: Router<Api>,
}

impl Routes {
    /// Routes below a base such as `/chat/{installation}`.
    pub(crate) fn new(api: &Api, base: &'static str) -> Self {
        Self { api: api.clone(), base, router: Router::new() }
    }

    /// Adds an operation; `name` is its name in the metrics.
    pub(crate) fn at<H, T>(mut self, method: MethodFilter, path: &str, name: &'static str, handler: H) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        let operation = Operation {
            name,
            metrics: self.api.metrics.api(name),
            body: self.api.limits.body,
            upgrades: true,
        };
        let route = on(method, handler).route_layer(from_fn_with_state(operation, observe));
        self.router = self.router.route(&format!("{}{path}", self.base), route);
        self
    }
}
