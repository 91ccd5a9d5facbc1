"""Metering over HTTP: units, service points, proof, self-reads, reconciliation, usage statements."""

from fastapi import APIRouter

from demeter.metering.api import service_points, sites

router = APIRouter()
router.include_router(sites.router)
router.include_router(service_points.router)

__all__ = ["router"]
