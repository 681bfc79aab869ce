//! Calls of pages: the origin that called is named in the answer, where a channel lets it in, and never a star.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, VARY,
};
use http::{HeaderValue, Method, StatusCode};

use crate::caller::origin_of;
use crate::shared::Api;

/// Answers a browser's question before a call, and names the page in the answer of the call itself.
///
/// Which channel a call is about is known to its handler only, which refuses pages of other channels.
pub(crate) async fn layer(State(api): State<Api>, request: Request, next: Next) -> Response {
    let origin = origin_of(request.headers()).filter(|origin| api.is_known_origin(origin));
    let named = origin.and_then(|origin| HeaderValue::from_str(origin).ok());
    let is_question =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match is_question {
        true => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() =
                if named.is_some() { StatusCode::NO_CONTENT } else { StatusCode::FORBIDDEN };
            response
        }
        false => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Origin"));
    let Some(named) = named else { return response };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, named);
    if is_question {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE"));
        let allowed = "authorization, content-type, x-file-name";
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(allowed));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    } else {
        let exposed = "content-disposition, retry-after";
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
    }
    response
}
