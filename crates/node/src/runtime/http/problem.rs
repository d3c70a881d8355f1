//! Errors as problem JSON (RFC 9457).

use std::borrow::Cow;

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use crate::runtime::receipts::ReceiptAnswer;

/// What went wrong with a request, for the caller to act on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Problem {
    /// What kind, in short.
    pub(crate) title: Cow<'static, str>,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What exactly, and what to do.
    pub(crate) detail: String,
    /// Which field of the request is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<String>,
    /// Where the log has it, if it is logged as refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) logged: Option<Box<ReceiptAnswer>>,
    /// The effort that a bulletin must promise now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) price: Option<u32>,
    /// After how many seconds to try again.
    #[serde(skip)]
    pub(crate) retry_after: Option<u32>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            status: status.as_u16(),
            detail: detail.into(),
            field: None,
            logged: None,
            price: None,
            retry_after: None,
        }
    }

    pub(crate) fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    pub(crate) const fn price(mut self, effort: u32) -> Self {
        self.price = Some(effort);
        self
    }

    pub(crate) const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The log can't be read: nothing that the caller can mend.
    pub(crate) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the node can't read its log", error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
        const TYPE: HeaderName = header::CONTENT_TYPE;
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(TYPE, PROBLEM);
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
