//! Keys, letting people in, and what they pass to each other.

use talea_protocol::act::{Act, Admit, Effect, Subscribe, Welcome, subscription};
use talea_protocol::bytes::{Code, Day, List, Quantity};
use talea_protocol::charter::{Kind, Member};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, Purpose, Signature};
use talea_protocol::money::{Redeem, redemption};
use talea_tools::amount;
use talea_tools::keyfile::{self, KeyFile};
use talea_tools::names::{Called, Words};
use talea_tools::preview;
use talea_tools::remedy;
use talea_tools::slip::{self, Joining, SlipFault};
use talea_tools::table;
use talea_tools::wallet::Wallet;
use talea_tools::witness;
use talea_tools::word::StageWord;

use crate::acts;
use crate::cli::{Common, Keys, Sort};
use crate::desk::{self, Desk, SIGN};
use crate::failure::{Failure, Outcome};
use crate::going::decided;
use crate::out;
use crate::secret;

/// `talea keys`.
pub fn keys(common: &Common, command: &Keys) -> Outcome {
    let wallet = desk::wallet(common)?;
    let path = wallet.key();
    let device = match command {
        Keys::New => {
            if path.exists() {
                return Err(keyfile::KeyFileFault::Exists { path }.into());
            }
            let passphrase = secret::new_passphrase(common)?;
            let file = KeyFile::seal(&keyfile::fresh()?, &passphrase)?;
            file.create(&path)?;
            witness::begin(&wallet)?;
            file.device()
        }
        Keys::Show => KeyFile::read(&path)?.device(),
        Keys::Passphrase => {
            let key = secret::unlock(common, &wallet)?;
            let file = KeyFile::seal(&key, &secret::new_passphrase(common)?)?;
            let is_own = witness::made_key(&wallet);
            file.replace(&path)?;
            if is_own {
                witness::begin(&wallet)?;
            }
            file.device()
        }
    };
    let value = serde_json::json!({ "device": device, "file": path });
    desk::form(common).give(&value, |_| {
        let rows = [("device", device.to_string()), ("key file", path.display().to_string())];
        out::say(table::pairs(rows).trim_end());
    });
    Ok(())
}

/// `talea request`.
pub fn request(common: &Common, handle: &str, name: &str, kind: Sort, of: Option<&str>) -> Outcome {
    let wallet = desk::wallet(common)?;
    let (cooperative, kind) = (cooperative(common, &wallet, of)?, self::kind(kind));
    let called = Called { handle: handle.to_owned(), name: name.to_owned() };
    let key = secret::unlock(common, &wallet)?;
    let joining = Joining::new(cooperative, kind, called, &key);
    show_joining("To be asked", &joining);
    if !desk::confirm(common, SIGN)? {
        return Ok(());
    }
    let words = "Pass this request to the members who vouch, and to the registrar:";
    give_slip(common, words, &joining.render());
    Ok(())
}

/// The cooperative of this id, or the one that the wallet chooses.
pub fn cooperative(common: &Common, wallet: &Wallet, of: Option<&str>) -> Outcome<EntryId> {
    match of {
        Some(id) => cooperative_id(id),
        None => Ok(wallet.cooperative(common.coop.as_deref())?.cooperative),
    }
}

/// What an applicant is.
pub const fn kind(sort: Sort) -> Kind {
    match sort {
        Sort::Person => Kind::Person,
        Sort::Organisation => Kind::Organisation,
        Sort::Machine => Kind::Machine,
    }
}

/// Whose wallet this is.
pub fn me(desk: &Desk<'_>) -> Outcome<Member> {
    let register = desk.book.register();
    let member = register.owner(&desk.device(), register.head().0);
    member
        .ok_or_else(|| Failure::rule("rule 12: this device is no member's here", remedy::next(12)))
}

/// `talea approve`.
pub fn approve(common: &Common, request: &str) -> Outcome {
    not_own(common, request)?;
    let desk = Desk::signing(common)?;
    let joining = joining(request, &desk)?;
    show_joining("To vouch for", &joining);
    if !desk::confirm(common, SIGN)? {
        return Ok(());
    }
    let slip = slip::render_approval(&joining.approve(desk.key()?));
    give_slip(common, "Pass this approval to the registrar:", &slip);
    Ok(())
}

/// A device that approves itself proves nothing to anybody; nor is it enrolled yet.
pub fn not_own(common: &Common, request: &str) -> Outcome {
    let wallet = desk::wallet(common)?;
    let known = wallet.cooperative(common.coop.as_deref())?;
    let joining = Joining::parse(request, known.cooperative).map_err(slip_failure)?;
    if joining.request.device != KeyFile::read(&wallet.key())?.device() {
        return Ok(());
    }
    Err(Failure::usage(
        "this request is this device's own",
        "have it approved by another: a device that the member has already, or for a new member \
         those who vouch",
    ))
}

/// `talea admit`.
pub fn admit(
    common: &Common,
    request: &str,
    college: &str,
    stage: &str,
    approvals: &[String],
) -> Outcome {
    let mut desk = Desk::signing(common)?;
    let joining = joining(request, &desk)?;
    let mut sponsors = Vec::new();
    for text in approvals {
        sponsors.push(joining.approval(text).map_err(slip_failure)?);
    }
    sponsors.sort_by_key(|approval| approval.device);
    sponsors.dedup_by_key(|approval| approval.device);
    let charter = desk.book.register().charter();
    let college =
        acts::place(charter.colleges.iter().map(|c| c.code.as_str()), college, "college")?;
    let stage = acts::place(charter.stages.iter().map(|s| s.code.as_str()), stage, "stage")?;
    let sponsors = List::try_from(sponsors)
        .map_err(|fault| Failure::usage(fault.to_string(), "name fewer sponsors"))?;
    let words = Words { members: vec![joining.called.clone()], ..Words::default() };
    let (request, proof) = (joining.request, joining.proof);
    let act = Act::Admit(Admit { request, proof, college, stage, sponsors });
    desk.state(&act, Some(words.payload()))
}

/// `talea welcome`.
pub fn welcome(common: &Common, request: &str, decision: Option<&str>) -> Outcome {
    let mut desk = Desk::signing(common)?;
    let joining = joining(request, &desk)?;
    let device = joining.request.device;
    let wanted = |effect: &Effect| matches!(effect, Effect::Admit(it) if it.device == device);
    let decision = decided(&desk.book, decision, wanted)?;
    let Some(Effect::Admit(candidate)) = desk.book.state().votes().order(&decision) else {
        return Err(Failure::usage("the decision admits nobody", "name another with --decision"));
    };
    let (college, stage) = (candidate.college, candidate.stage);
    let words = Words { members: vec![joining.called.clone()], ..Words::default() };
    let (request, proof) = (joining.request, joining.proof);
    let act = Act::Welcome(Welcome { request, proof, college, stage, decision });
    desk.state(&act, Some(words.payload()))
}

/// `talea vouch`.
pub fn vouch(common: &Common, member: &str, stage: &str, from: Option<&str>) -> Outcome {
    let desk = Desk::signing(common)?;
    let moved = acts::council::moved(&desk.book, member, stage, from)?;
    let rows = [
        ("member", desk.book.handle(moved.member)),
        ("stage", format!("{stage}, from {} on", amount::show_day(moved.from))),
    ];
    out::preview("To vouch for", &rows);
    if !desk::confirm(common, SIGN)? {
        return Ok(());
    }
    let slip = StageWord::new(desk.known.cooperative, &moved, desk.key()?).render();
    give_slip(common, "Pass this word to the registrar (`talea advance`):", &slip);
    Ok(())
}

/// What a member consents to about its shares.
struct Consent {
    member: Member,
    amount: Quantity,
    date: Day,
    reference: Code,
    device: DeviceKey,
}

/// `talea shares`.
pub fn shares(
    common: &Common,
    amount: &str,
    back: bool,
    (reference, date): (&str, Option<&str>),
) -> Outcome {
    let desk = Desk::signing(common)?;
    let consent = Consent {
        member: me(&desk)?,
        amount: acts::money(desk.book.register().charter(), amount)?,
        date: acts::day(date)?,
        reference: acts::code("the reference", reference)?,
        device: desk.device(),
    };
    if back { consent.redemption(common, &desk) } else { consent.subscription(common, &desk) }
}

impl Consent {
    fn subscription(self, common: &Common, desk: &Desk<'_>) -> Outcome {
        let Self { member, amount, date, reference, device } = self;
        let signature = Signature([0; 64]);
        let mut act = Subscribe { member, amount, date, reference, device, signature };
        let line = preview::line(&Act::Subscribe(act.clone()), Some(&desk.book));
        out::preview("To consent to", &[("subscription", line)]);
        if desk::confirm(common, SIGN)? {
            let cooperative = desk.known.cooperative;
            let signed = subscription(&cooperative, &act);
            act.signature = desk.key()?.sign(Purpose::Subscription, &signed);
            let slip = slip::render_subscription(cooperative, &act);
            give_slip(common, "Pass this to the treasurer, with the money:", &slip);
        }
        Ok(())
    }

    fn redemption(self, common: &Common, desk: &Desk<'_>) -> Outcome {
        let Self { member, amount, date, reference, device } = self;
        let signature = Signature([0; 64]);
        let mut act = Redeem { member, amount, date, reference, device, signature };
        let line = preview::line(&Act::Redeem(act.clone()), Some(&desk.book));
        out::preview("To consent to", &[("redemption", line)]);
        if desk::confirm(common, SIGN)? {
            let cooperative = desk.known.cooperative;
            let signed = redemption(&cooperative, &act);
            act.signature = desk.key()?.sign(Purpose::Redemption, &signed);
            let slip = slip::render_redemption(cooperative, &act);
            give_slip(common, "Pass this to the treasurer, who pays (`talea redeem`):", &slip);
        }
        Ok(())
    }
}

/// `talea subscribe`.
pub fn subscribe(common: &Common, slip: &str) -> Outcome {
    let mut desk = Desk::signing(common)?;
    let cooperative = desk.book.register().cooperative();
    let subscribe = slip::parse_subscription(slip, cooperative).map_err(slip_failure)?;
    desk.state(&Act::Subscribe(subscribe), None)
}

/// `talea redeem`.
pub fn redeem(common: &Common, slip: &str) -> Outcome {
    let mut desk = Desk::signing(common)?;
    let cooperative = desk.book.register().cooperative();
    let redeem = slip::parse_redemption(slip, cooperative).map_err(slip_failure)?;
    desk.state(&Act::Redeem(redeem), None)
}

/// A cooperative's id.
pub fn cooperative_id(text: &str) -> Outcome<EntryId> {
    text.parse().map_err(|_| {
        Failure::usage(
            format!("`{text}` is no cooperative's id"),
            "an id has 64 hexadecimal digits; whoever founded it sees it in `talea cooperatives`",
        )
    })
}

/// Reads a request to this cooperative.
pub fn joining(text: &str, desk: &Desk<'_>) -> Outcome<Joining> {
    Joining::parse(text, desk.known.cooperative).map_err(slip_failure)
}

/// Shows what a request says.
pub fn show_joining(title: &str, joining: &Joining) {
    let called = match &joining.called {
        Called { handle, name } if name.is_empty() => format!("{handle}, as it says"),
        Called { handle, name } => format!("{name} ({handle}), as the applicant says"),
    };
    let rows = [
        ("called", called),
        ("kind", format!("{:?}", joining.request.kind).to_lowercase()),
        ("device", joining.request.device.to_string()),
        ("cooperative", joining.cooperative.to_string()),
    ];
    out::preview(title, &rows);
}

/// A slip as a result.
pub fn give_slip(common: &Common, words: &str, slip: &str) {
    desk::form(common).give(&serde_json::json!({ "slip": slip }), |_| {
        out::note(words);
        out::say(slip);
    });
}

/// Why a text is no slip.
pub fn slip_failure(fault: SlipFault) -> Failure {
    Failure::usage(fault.to_string(), fault.hint())
}
