//! One call on its way: a place at the supplier's host, the login, the request, the answer, and the verdict on the login.

use std::sync::OnceLock;
use std::time::Duration;

use promostandards::{Answer, AnswerError, Limits, LoginField, Message, Scrub, Verdict, read_answer};
use tokio::time::{Instant, sleep, timeout_at};
use zeroize::Zeroizing;

use super::bulkhead::{Bulkheads, Entry, NotNow, Permit};
use super::failure::{Failed, Failure, LoginHalf, SupplierFailure};
use super::health::Login;
use super::health::state;
use super::transport::{Reply, Target, Transport, TransportError, TransportSettings};
use super::{Answered, Asked, Calls, stored_login};
use crate::disclosure::Errand;
use crate::resolver::Chosen;
use crate::standstill::elsewhere;
use crate::suppliers::endpoints::Endpoint;
use crate::types::Pair;

/// Pause before a read is tried once more.
const PAUSE: Duration = Duration::from_millis(300);
/// The time after which a supplier that has too much to do is asked again, if it names none.
const COME_AGAIN: Duration = Duration::from_secs(30);
/// The longest time for that which a supplier can name.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// The way to suppliers, and who may go it now.
pub struct Sender {
    settings: TransportSettings,
    transport: OnceLock<Transport>,
    bulkheads: Bulkheads,
}

/// An answer of a supplier.
pub(super) struct Sent {
    pub answered: Answered,
    /// Whether it was accepted and has no error.
    pub may_be_kept: bool,
    /// Its verdict on the login.
    pub verdict: Verdict,
    /// The first of the supplier's messages.
    pub message: Option<Message>,
}

/// A failure, and whether a read may be tried once more after it.
struct Attempt {
    failed: Failed,
    may_repeat: bool,
}

impl Sender {
    /// Makes calls by connections of these settings, which are made when they are needed: most commands call nobody.
    pub fn new(settings: TransportSettings) -> Self {
        Self { settings, transport: OnceLock::new(), bulkheads: Bulkheads::new() }
    }

    /// Counts the calls that wait for a place.
    pub fn waiting(&self) -> usize {
        self.bulkheads.waiting()
    }

    /// Makes the connections ready.
    pub fn prepare(&self) -> reqwest::Result<()> {
        self.transport().map(|_| ())
    }

    fn transport(&self) -> reqwest::Result<&Transport> {
        if let Some(transport) = self.transport.get() {
            return Ok(transport);
        }
        let made = Transport::new(&self.settings)?;
        Ok(self.transport.get_or_init(|| made))
    }

    async fn post(&self, target: &Target<'_>, envelope: Zeroizing<Vec<u8>>) -> Result<Reply, TransportError> {
        let transport = self.transport().map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "no connection to suppliers can be made");
            TransportError::Endpoint
        })?;
        transport.post(target, envelope).await
    }
}

impl Calls {
    /// Makes a call; a read is made once more if it failed early and for a reason that may pass.
    pub(super) async fn send(
        &self,
        asked: &Asked,
        errand: &Errand,
        endpoint: &Endpoint,
        deadline: Instant,
    ) -> Result<Sent, Failed> {
        let half_time = deadline.checked_sub(endpoint.timeout / 2).unwrap_or(deadline);
        // On the heap: it has the whole way to the supplier.
        match Box::pin(self.attempt(asked, errand, endpoint, deadline)).await {
            Ok(sent) => Ok(sent),
            Err(Attempt { may_repeat: true, .. }) if !asked.is_order && Instant::now() + PAUSE < half_time => {
                elsewhere(sleep(PAUSE)).await;
                let again = Box::pin(self.attempt(asked, errand, endpoint, deadline)).await;
                again.map_err(|attempt| attempt.failed)
            }
            Err(attempt) => Err(attempt.failed),
        }
    }

    async fn attempt(
        &self,
        asked: &Asked,
        errand: &Errand,
        endpoint: &Endpoint,
        deadline: Instant,
    ) -> Result<Sent, Attempt> {
        let permit = self.enter(asked, endpoint, deadline).await?;
        let (chosen, pair) = self.login(asked, errand).await.map_err(Attempt::last)?;
        let failed = |how| {
            let supplier_name = chosen.supplier_name.clone();
            let why = Failure::Supplier { supplier_name, how, is_order: asked.is_order };
            Failed { source: Some(chosen.source), why }
        };
        let scrub =
            Scrub::new(promostandards::Login { username: pair.username.expose(), password: pair.password.expose() });
        let envelope = asked
            .request
            .envelope(promostandards::Login { username: pair.username.expose(), password: pair.password.expose() });
        drop(pair);
        let envelope = envelope.map_err(|fault| {
            let half = match fault.field {
                LoginField::Username => LoginHalf::Username,
                LoginField::Password => LoginHalf::Password,
            };
            let why = Failure::UnsendableLogin { level: chosen.source, half };
            Attempt::last(Failed { source: Some(chosen.source), why })
        })?;
        let target = Target {
            url: endpoint.url.url(),
            soap_action: endpoint.soap_action.as_deref().unwrap_or(asked.request.soap_action()),
            allow_private: endpoint.allow_private,
            new_connection: asked.is_order,
            deadline,
        };
        let reply = match elsewhere(self.sender.post(&target, envelope)).await {
            Ok(reply) => reply,
            Err(error) => {
                if error.is_outage() {
                    permit.failed();
                } else if error.may_be_received() {
                    permit.answered();
                }
                let may_repeat = error.before_a_byte();
                return Err(Attempt { failed: failed(SupplierFailure::Transport(error)), may_repeat });
            }
        };
        match elsewhere(read(asked, reply, deadline, &scrub)).await {
            Ok(answer) => {
                permit.answered();
                self.note(asked, &chosen, answer.verdict);
                let may_be_kept = answer.complete_without_error;
                let answered = Answered { source: chosen.source, json: answer.json.into(), age: None };
                Ok(Sent { answered, may_be_kept, verdict: answer.verdict, message: answer.messages.into_iter().next() })
            }
            Err((how, may_repeat)) => {
                if how.is_outage() {
                    permit.failed();
                } else {
                    permit.answered();
                }
                Err(Attempt { failed: failed(how), may_repeat })
            }
        }
    }

    /// Waits for a place among the calls of the host that are under way.
    async fn enter(&self, asked: &Asked, endpoint: &Endpoint, deadline: Instant) -> Result<Permit, Attempt> {
        let account = asked.actor.principal.as_ref().map_or(asked.call.account, |caller| caller.acting_account);
        let entry = Entry {
            url: endpoint.url.url(),
            supplier: &asked.call.supplier,
            limit: usize::try_from(endpoint.concurrency).unwrap_or(usize::MAX),
            account,
            deadline,
        };
        match elsewhere(self.sender.bulkheads.enter(&entry)).await {
            Ok(permit) => Ok(permit),
            Err(refused) => {
                let how = match refused {
                    NotNow::Busy { retry_after } => SupplierFailure::Full(retry_after),
                    NotNow::Down { retry_after } => SupplierFailure::Down(retry_after),
                };
                let call = &asked.call;
                let errand_only = asked.request.is_customer_price();
                let chosen = self.resolver.choose(call, &asked.login, errand_only).await;
                let chosen = chosen.map_err(|error| Attempt::last(Failed::early(error)))?;
                let why = Failure::Supplier { supplier_name: chosen.supplier_name, how, is_order: false };
                Err(Attempt::last(Failed { source: Some(chosen.source), why }))
            }
        }
    }

    /// The login, if the caller may still use it and it is not known to be wrong. A call that waited for a place began long ago.
    async fn login(&self, asked: &Asked, errand: &Errand) -> Result<(Chosen, Pair), Failed> {
        let Asked { actor, call, login, .. } = asked;
        if let Some(principal) = &actor.principal {
            self.authenticator.confirm(principal, actor.client_address.as_ref()).await.map_err(Failed::early)?;
        }
        let chosen = self.resolver.choose(call, login, errand.own_only).await.map_err(Failed::early)?;
        self.require_healthy(asked, &chosen).await?;
        self.disclosure.disclose_for(actor.clone(), call, login, errand).await.map_err(Failed::early)
    }

    /// Notes the verdict of an answer on the login.
    fn note(&self, asked: &Asked, chosen: &Chosen, verdict: Verdict) {
        let Some(pair) = stored_login(&asked.call, chosen, None) else { return };
        let for_service = Login { service: Some(asked.call.service), ..pair.clone() };
        match verdict {
            Verdict::Silent => {}
            Verdict::Accepted => {
                self.health.note(for_service, state::Verdict::Accepted);
                self.health.note(pair, state::Verdict::Accepted);
            }
            Verdict::Refused { code } if verdict.only_this_service() => {
                self.health.note(for_service, state::Verdict::Refused(code));
            }
            Verdict::Refused { code } => self.health.note(pair, state::Verdict::Refused(code)),
        }
    }
}

impl Attempt {
    /// A failure after which nothing is tried again.
    fn last(failed: Failed) -> Self {
        Self { failed, may_repeat: false }
    }
}

/// Reads an answer. Suppliers send regular ones with any status.
async fn read(
    asked: &Asked,
    reply: Reply,
    deadline: Instant,
    scrub: &Scrub,
) -> Result<Answer, (SupplierFailure, bool)> {
    let Reply { status, content_type, retry_after, body } = reply;
    let reading = read_answer(&asked.request, content_type.as_deref(), body, Limits::default(), scrub);
    let error = match timeout_at(deadline, reading).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => error,
        Err(_elapsed) => return Err((SupplierFailure::TimedOut, false)),
    };
    if matches!(status, 429 | 503) {
        let retry_after = retry_after.map(|time| time.clamp(Duration::from_secs(1), LONGEST_WAIT));
        return Err((SupplierFailure::Busy(retry_after.unwrap_or(COME_AGAIN)), status == 503 && retry_after.is_none()));
    }
    if let AnswerError::Io(error) = error {
        let error = TransportError::of(&error).unwrap_or(TransportError::Truncated);
        return Err((SupplierFailure::Transport(error), false));
    }
    let is_envelope = matches!(error, AnswerError::Fault { .. });
    if !is_envelope && !(200..300).contains(&status) {
        return Err((SupplierFailure::Status(status), matches!(status, 502..=504)));
    }
    Err((SupplierFailure::Answer(error), false))
}
