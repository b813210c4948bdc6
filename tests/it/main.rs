//! Tests at the boundary: through the routers against a real Postgres, and against the real program. One binary, so that
//! there is one build and one database server; one module per feature.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

mod access_matrix;
mod api_keys;
mod api_keys_addresses;
mod api_keys_presented;
mod api_keys_rest;
mod api_keys_rotation;
mod architecture;
mod audit_events;
mod authentication;
mod bearer_hard_cases;
mod browsers;
mod coherence;
mod commands;
mod commands_accounts;
mod commands_directory;
mod commands_reach_serve;
mod contract;
mod debug_output;
mod dev;
mod dev_crash;
mod dev_screen;
mod dev_stop;
mod directory;
mod embedded_postgres;
mod failed_attempts;
mod histories;
mod http_edge;
mod invalidation;
mod lost_feed;
mod me;
mod not_found;
mod oauth_client_rotation;
mod oauth_clients;
mod oauth_token_life;
mod oauth_tokens;
mod openapi;
mod outside_issuer;
mod outside_keys;
mod paths;
mod precedence;
mod races;
mod readme;
mod reference_page;
mod refusals_from_memory;
mod sealing;
mod secrets_nowhere;
mod serve;
mod serve_logs;
mod serve_readiness;
mod serve_settings;
mod signing_keys;
mod subaccounts;
mod subaccounts_acting;
mod subaccounts_rules;
mod tampering;
mod tenancy;
mod tenancy_accounts;
mod updates;
mod users;
