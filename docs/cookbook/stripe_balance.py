"""What is on a Stripe account, by currency."""

from arcrun import auth

with auth.bind("stripe") as stripe:
    for amount in stripe.get("/balance").raise_for_status().json()["available"]:
        print(f"{amount['amount'] / 100:.2f} {amount['currency'].upper()}")
