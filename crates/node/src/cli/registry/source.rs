//! Where answers come from: a node that is asked, or a log from which the registry is rebuilt.

use std::time::Duration;

use clap::Args;
use hyper::StatusCode;
use jurat_trust::{Registry, TrustGraph};
use serde::de::DeserializeOwned;

use super::replaying::{LogChoice, Replayed};
use crate::{
    cli::{Failure, client::Client},
    registry_json::{AsOf, Query},
};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Where the registry is, if it is to be looked at.
#[derive(Debug, Args)]
pub(in crate::cli) struct RegistrySource {
    /// The node to ask, such as http://127.0.0.1:8100; what it says is not proven
    #[arg(long, value_name = "URL", conflicts_with = "log")]
    node: Option<String>,
    /// Rebuild the registry from this log instead, verified: a URL, or a directory of tiles
    #[arg(long, value_name = "URL|DIR")]
    log: Option<String>,
    #[command(flatten)]
    choice: LogChoice,
}

/// Where the registry is.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("registry").required(true).args(["node", "log"]))]
pub(in crate::cli) struct RegistryArguments {
    #[command(flatten)]
    source: RegistrySource,
}

/// A registry that answers.
pub(in crate::cli) enum OpenRegistry {
    Node(Client),
    Replayed(Box<Replayed>),
}

impl RegistrySource {
    /// The registry, if it was said where it is.
    pub(in crate::cli) fn open_if_given(&self) -> Result<Option<OpenRegistry>, Failure> {
        match (&self.node, &self.log) {
            (Some(node), _) => Ok(Some(OpenRegistry::Node(Client::new(node, TIMEOUT)?))),
            (None, Some(log)) => {
                let replayed = self.choice.replay(log)?;
                replayed.confirm()?;
                Ok(Some(OpenRegistry::Replayed(Box::new(replayed))))
            }
            (None, None) => Ok(None),
        }
    }
}

impl RegistryArguments {
    pub(in crate::cli) fn open(&self) -> Result<OpenRegistry, Failure> {
        let registry = self.source.open_if_given()?;
        registry
            .ok_or_else(|| Failure::Usage("say where the registry is: --node URL or --log URL|DIR".into()))
    }
}

impl OpenRegistry {
    /// The answer to a question, of the type that is said with it.
    pub(in crate::cli) fn ask<T: DeserializeOwned>(&self, query: &Query) -> Result<AsOf<T>, Failure> {
        match self {
            Self::Node(client) => ask_node(client, query),
            Self::Replayed(replayed) => {
                let Replayed { registry, checkpoint, .. } = &**replayed;
                let answer = answer_of(registry, query)?;
                Ok(AsOf::new(checkpoint.size().value(), checkpoint.root(), registry, answer))
            }
        }
    }
}

impl OpenRegistry {
    /// Who trusts whom: of a node as much as it draws at once, of a log everything.
    pub(in crate::cli) fn graph(&self) -> Result<AsOf<TrustGraph>, Failure> {
        match self {
            Self::Node(client) => ask_node(client, &Query::Graph),
            Self::Replayed(replayed) => {
                let Replayed { registry, checkpoint, .. } = &**replayed;
                let (size, root) = (checkpoint.size().value(), checkpoint.root());
                Ok(AsOf::new(size, root, registry, registry.trust_graph()))
            }
        }
    }
}

fn answer_of<T: DeserializeOwned>(registry: &Registry, query: &Query) -> Result<T, Failure> {
    let answer = query.answer(registry).map_err(|error| Failure::False(error.to_string()))?;
    serde_json::from_value(answer).map_err(Failure::unreachable)
}

/// Asks a node.
pub(in crate::cli) fn ask_node<T: DeserializeOwned>(
    client: &Client,
    query: &Query,
) -> Result<AsOf<T>, Failure> {
    let answer = crate::cli::runtime()?.block_on(client.get(&query.path()))?;
    if answer.status == StatusCode::NOT_FOUND {
        // The node is there, what is asked about is not.
        return Err(Failure::False(answer.problem().detail));
    }
    serde_json::from_slice(&answer.success()?)
        .map_err(|error| Failure::Unreachable(format!("the node's answer makes no sense: {error}")))
}
