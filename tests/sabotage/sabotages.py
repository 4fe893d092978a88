"""Promises, each with a small patch that breaks it and the tests that must then turn red.

A patch is a file below the package, the text that keeps the promise, and what stands there instead.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sabotage:
    """One way to break one promise."""

    promise: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


PART_ONE = "tests/acceptance/test_part_one.py"
PART_ONE_DATA = "tests/acceptance/test_part_one_data.py"
ON_CLUSTER = "tests/history/test_publishing.py"
INGEST_CHAOS = "tests/chaos/test_ingest_chaos.py"
SIMULATED_LINE = "tests/channels/simulator/test_line.py"
CHANNELS = "tests/channels/test_contract.py"
LINE = "tests/channels/test_line.py"
GATE = "tests/messaging/test_gate_service.py"
CAMPAIGN_LIFT = "tests/measure/test_campaign.py"
BOOKS = "ledger/migrations/0010_ledger.sql"
LOCKING = "tests/ledger/test_locking.py"
VOUCHERS = "tests/loyalty/test_vouchers.py"
REWARDS = "tests/loyalty/test_rewards.py"

SABOTAGES = (
    Sabotage(
        "a message lands once",
        "events/service/taking.py",
        "    if not fresh:\n",
        "    if True:\n",
        (f"{PART_ONE}::test_a_message_lands_once",),
    ),
    Sabotage(
        "200 is answered after the events are durable",
        "events/service/writing.py",
        "        return await done\n",
        '        return Answer(["written"] * len(calls), [])\n',
        (f"{INGEST_CHAOS}::test_nothing_acknowledged_is_lost_or_doubled_by_a_few_kills",),
    ),
    Sabotage(
        "a phone that nobody verified joins nobody",
        "members/service/joining.py",
        '        if not joins(identity.kind):\n            return "unverified"\n',
        "",
        (f"{PART_ONE_DATA}::test_a_shared_phone_is_a_conflict_for_review",),
    ),
    Sabotage(
        "remembered origins are void once an identity was taken away",
        "events/service/taking.py",
        " or self._epochs[brand_id] != epoch",
        "",
        (f"{PART_ONE_DATA}::test_an_identity_taken_away_is_the_next_members",),
    ),
    Sabotage(
        "a cluster shows a brand its own rows alone",
        "history/cluster.py",
        'table.where(f"brand = {relation.brand_id}")',
        "table",
        (f"{ON_CLUSTER}::test_two_brands_never_mix_on_a_cluster",),
    ),
    Sabotage(
        "a cluster reads the version that the transaction sees, not the newest",
        "history/cluster.py",
        '.option("versionAsOf", relation.version)',
        "",
        (f"{ON_CLUSTER}::test_a_cluster_sees_what_the_transaction_sees",),
    ),
    Sabotage(
        "treated are compared with the withheld of their own plan, not with all who are held out",
        "measure/coverage.py",
        "    withheld = targeted & is_withheld\n",
        "    withheld = is_withheld\n",
        ("tests/measure/test_coverage.py::test_an_audience_that_is_not_random_is_compared_with_its_own_withheld",),
    ),
    Sabotage(
        "a campaign's treated are compared with the withheld of the same plan, not with all who are held out",
        "measure/model.py",
        "add_arms(found[one], treated=False)",
        "add_arms(cells, treated=False)",
        (f"{CAMPAIGN_LIFT}::test_nothing_was_changed_where_buyers_and_others_are_withheld_at_different_shares",),
    ),
    Sabotage(
        "the simulator tells a retry key of another body from a repeated request",
        "channels/simulator/line/sending.py",
        '"duplicate" if accepted.body_hash == call.received.body_hash else "key_reused"',
        '"duplicate"',
        (f"{SIMULATED_LINE}::test_a_retry_key_holds_24_hours_and_one_body",),
    ),
    Sabotage(
        "on the simulated LINE who blocked gets nothing and counts nothing",
        "channels/simulator/line/sending.py",
        "        elif person.is_reached:\n",
        "        else:\n",
        (f"{SIMULATED_LINE}::test_who_blocked_or_never_was_gets_200_and_counts_nothing",),
    ),
    Sabotage(
        "a reply that was lost is uncertain, never a reason to send again",
        "channels/sending.py",
        "            if trace.is_sent:\n",
        "            if False:\n",
        tuple(
            f"{CHANNELS}::test_a_lost_reply_is_uncertain_and_only_a_key_makes_asking_again_harmless[{one}]"
            for one in ("line", "telegram")
        ),
    ),
    Sabotage(
        "a retry key is on a request from its first attempt",
        "channels/line/adapter.py",
        '            headers["X-Line-Retry-Key"] = str(request.key)\n',
        "            pass\n",
        (
            f"{CHANNELS}::test_a_lost_reply_is_uncertain_and_only_a_key_makes_asking_again_harmless[line]",
            f"{LINE}::test_the_retry_key_is_sent_from_the_first_attempt_and_never_on_a_reply",
        ),
    ),
    Sabotage(
        "a spent quota is told from a rate limit",
        "channels/line/adapter.py",
        '    if "monthly limit" in said or "additional messages" in said:\n',
        "    if False:\n",
        (f"{CHANNELS}::test_a_quota_that_is_used_up_is_told_apart_and_read_back",),
    ),
    Sabotage(
        "a webhook is believed only with its signature",
        "channels/line/webhooks.py",
        '    if not hmac.compare_digest(signed, given.encode("utf-8", "replace")):\n',
        "    if False:\n",
        (f"{CHANNELS}::test_a_webhook_of_somebody_else_is_refused_before_it_is_read[line]",),
    ),
    Sabotage(
        "a signature covers the unsubscribe headers",
        "channels/email/signing.py",
        '    "list-unsubscribe-post",\n',
        "",
        ("tests/channels/test_email.py::test_a_signature_covers_the_unsubscribe_headers",),
    ),
    Sabotage(
        "a cap is counted in the person's own row, which is locked before it is read",
        "messaging/queries.sql",
        "where brand_id = %(brand_id)s and member_id = any(%(member_ids)s)\norder by member_id\nfor update;\n",
        "where brand_id = %(brand_id)s and member_id = any(%(member_ids)s)\norder by member_id;\n",
        (f"{GATE}::test_of_sixteen_at_once_the_cap_lets_pass_one",),
    ),
    Sabotage(
        "no retry key is used for another body",
        "messaging/service/outbox.py",
        "    new_key: Callable[[], UUID] = uuid4\n",
        "    new_key: Callable[[], UUID] = lambda: UUID(int=1)\n",
        (f"{GATE}::test_the_same_for_all_is_one_request_and_personal_is_one_each",),
    ),
    Sabotage(
        "no attempt begins once the time of a message is over",
        "messaging/queries.sql",
        "coalesce(r.until_at <= %(now)s, false);\n",
        "false;\n",
        (f"{GATE}::test_what_waits_to_be_tried_again_ends_with_its_time",),
    ),
    Sabotage(
        "what expired after the lot stays in its arm",
        "messaging/migrations/0007_messaging.sql",
        "    or (d.state = 'refused' and d.reason = 'expired' and d.request_id is not null)\n",
        "",
        (f"{CAMPAIGN_LIFT}::test_what_expires_at_the_gate_is_in_neither_arm_and_after_it_in_its_own",),
    ),
    Sabotage(
        "a process that is started again counts on in its files",
        "bootstrap/metrics.py",
        " else name\n",
        " else os.getpid()\n",
        ("tests/bootstrap/test_metrics.py::test_however_often_one_is_killed_it_counts_on_in_the_same_files",),
    ),
    Sabotage(
        "nobody reads 'Hi ,'",
        "messaging/content/templates.py",
        "        value = super().evaluate(context)\n",
        "        return str(super().evaluate(context))\n",
        ("tests/messaging/content/test_templates.py::test_nobody_reads_hi_and_a_comma",),
    ),
    Sabotage(
        "accounts are locked in the order of their ids: no deadlock",
        BOOKS,
        "account_id for no key update;\n    clock := clock_timestamp();  -- after",
        "account_id desc for no key update;\n    clock := clock_timestamp();  -- after",
        (f"{LOCKING}::test_accounts_are_locked_in_the_order_of_their_ids",),
    ),
    Sabotage(
        "a limit is counted with the account's row locked",
        BOOKS,
        "account_id for no key update;\n    clock := clock_timestamp();  -- after",
        "account_id;\n    clock := clock_timestamp();  -- after",
        (f"{LOCKING}::test_a_limit_counts_what_was_posted_while_a_spend_waited",),
    ),
    Sabotage(
        "what waits for a review is not posted beside it",
        BOOKS,
        "if known is null and has_reviews then",
        "if false then",
        ("tests/ledger/test_limits.py::test_what_waits_is_not_posted_though_its_limit_is_gone",),
    ),
    Sabotage(
        "what is expired is told by PostgreSQL's clock, not the application's",
        "ledger/store.py",
        '        "brand_id": brand_id,\n        "at": at,\n',
        '        "brand_id": brand_id,\n        "at": at or datetime.now().astimezone(),\n',
        (f"{LOCKING}::test_what_expires_while_a_spend_waits_is_not_spent",),
    ),
    Sabotage(
        "an id whose body has another hash is a conflict",
        "ledger/store.py",
        '"hashes": [hash_body(body) for body in bodies]',
        '"hashes": [hash_body(b"") for body in bodies]',
        ("tests/ledger/test_posting.py::test_an_id_is_done_once_for_ever",),
    ),
    Sabotage(
        "the last voucher of a pool goes to exactly one",
        "loyalty/vouchers.sql",
        "and p.pool = %(pool)s\nfor update;",
        "and p.pool = %(pool)s;",
        (f"{VOUCHERS}::test_the_last_one_goes_to_exactly_one",),
    ),
    Sabotage(
        "whoever comes back under another address had their voucher",
        "loyalty/service/vouchers.py",
        "digests = await list_digests(tx, brand, person) if pool.per_member is not None else []",
        "digests = list[bytes]()",
        (f"{VOUCHERS}::test_a_limit_knows_who_comes_back_under_another_user_id",),
    ),
    Sabotage(
        "a cause brings one voucher",
        "loyalty/service/vouchers.py",
        "    if voucher_id is None:\n        digests",
        "    if True:\n        digests",
        (f"{VOUCHERS}::test_a_cause_brings_one_voucher",),
    ),
    Sabotage(
        "a reservation that is over is not confirmed",
        "loyalty/holding.py",
        "or (self.is_reserved and not is_over(self.reserved_until, now))",
        "or self.is_reserved",
        ("tests/loyalty/test_using.py::test_what_is_released_or_over_is_free",),
    ),
    Sabotage(
        "the last gift goes to exactly one",
        "loyalty/rewards.sql",
        "and r.reward = %(reward)s\nfor update;",
        "and r.reward = %(reward)s;",
        (f"{REWARDS}::test_the_last_gift_goes_to_exactly_one",),
    ),
    Sabotage(
        "what is expired for one is not confirmed by another",
        "loyalty/rewards.sql",
        "update loyalty_redemptions d set state = 'expired', ended_at = %(now)s",
        "update loyalty_redemptions d set ended_at = %(now)s",
        (f"{REWARDS}::test_a_confirmation_that_waited_past_its_time_is_refused_where_another_has_it",),
    ),
    Sabotage(
        "a redemption is confirmed or released, never both",
        "loyalty/rewards.sql",
        "where d.brand_id = %(brand_id)s and d.redemption_id = %(redemption_id)s\nfor update;",
        "where d.brand_id = %(brand_id)s and d.redemption_id = %(redemption_id)s;",
        (f"{REWARDS}::test_confirmed_or_released_never_both",),
    ),
)
