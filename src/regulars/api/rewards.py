"""Routes of rewards and what is redeemed of them, of staged events, and of scores."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from regulars.access.service import Caller
from regulars.api.bodies import read_json
from regulars.api.context import access_api, answer_write, context_of
from regulars.api.errors import answer
from regulars.api.openapi import Schema, takes
from regulars.loyalty.service import registrations, rewards, scores
from regulars.loyalty.service.registrations import PlaceBody
from regulars.loyalty.service.rewards import EndBody, RedeemBody
from regulars.loyalty.service.scores import ScoreBody
from regulars.platform.db import WriteTransaction

router = APIRouter(prefix="/api", tags=["rewards"])

CallerOf = Annotated[Caller, Depends(access_api)]
_NOTHING: Final[Schema] = takes(EndBody, optional=True)


@router.post("/rewards/{name}/redeem", summary="Redeem a reward", openapi_extra=takes(RedeemBody))
async def redeem_reward(request: Request, caller: CallerOf, name: str) -> Response:
    """One of its stock and the points that it costs are reserved, until `until` or as long as the programme says."""
    body, context = await read_json(request, RedeemBody), context_of(request)

    async def perform(tx: WriteTransaction) -> Any:
        return await rewards.redeem_reward(tx, caller.brand, context.holders, name, body, now=context.clock())

    return await answer_write(request, caller, perform)


@router.get("/redemptions/{redemption}", summary="One redemption")
async def get_redemption(request: Request, caller: CallerOf, redemption: str) -> Response:
    """Reserved, confirmed, released, or expired."""
    context = context_of(request)
    async with context.database.read() as tx:
        return answer(await rewards.get_redemption(tx, caller.brand, redemption, now=context.clock()))


@router.post("/redemptions/{redemption}/confirm", summary="Confirm a redemption", openapi_extra=_NOTHING)
async def confirm_redemption(request: Request, caller: CallerOf, redemption: str) -> Response:
    """The member has the reward, and its points are spent. Once more is harmless."""
    await read_json(request, EndBody, default={})
    now = context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        return await rewards.confirm_redemption(tx, caller.brand, redemption, now=now)

    return await answer_write(request, caller, perform)


@router.post("/redemptions/{redemption}/release", summary="Give back a redemption", openapi_extra=_NOTHING)
async def release_redemption(request: Request, caller: CallerOf, redemption: str) -> Response:
    """The member has its points again, and the reward is in stock. Once more is harmless."""
    await read_json(request, EndBody, default={})
    now = context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        return await rewards.release_redemption(tx, caller.brand, redemption, now=now)

    return await answer_write(request, caller, perform)


@router.post("/registrations/{event}", summary="Register for an event", openapi_extra=takes(PlaceBody))
async def register_member(request: Request, caller: CallerOf, event: str) -> Response:
    """A place, or one on the waiting list; whoever has one keeps it."""
    body, now = await read_json(request, PlaceBody), context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        return await registrations.register_member(tx, caller.brand, event, body, now=now)

    return await answer_write(request, caller, perform)


@router.post("/registrations/{event}/cancel", summary="Leave an event", openapi_extra=takes(PlaceBody))
async def cancel_registration(request: Request, caller: CallerOf, event: str) -> Response:
    """Whoever waited longest moves up. Once more is harmless."""
    body, now = await read_json(request, PlaceBody), context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        return await registrations.cancel_registration(tx, caller.brand, event, body, now=now)

    return await answer_write(request, caller, perform)


@router.post("/scores/{name}", summary="A member's score", openapi_extra=takes(ScoreBody))
async def take_score(request: Request, caller: CallerOf, name: str) -> Response:
    """Of a game that the shop's server has checked: the voucher of its step, once a local day."""
    body, now = await read_json(request, ScoreBody), context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        return await scores.take_score(tx, caller.brand, name, body, now=now)

    return await answer_write(request, caller, perform)
