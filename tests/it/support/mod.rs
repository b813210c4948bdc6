//! What tests are written with: an application on a database of its own, and callers that read like sentences.

pub mod app;
pub mod behind;
pub mod caller;
pub mod certificates;
pub mod cluster;
pub mod counted;
pub mod dev;
pub mod family;
pub mod forge;
pub mod furnished;
pub mod installation;
pub mod logs;
pub mod meanwhile;
pub mod oauth;
pub mod openapi;
pub mod operations;
pub mod operator;
pub mod program;
pub mod response;
pub mod skip;
pub mod transit;
pub mod unfiltered;
pub mod wire;

pub use app::TestApp;
pub use caller::Caller;
pub use response::Answer;
