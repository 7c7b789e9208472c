"""What a battery is: pack description, cell library, and the maths of OCV, equivalent circuit and heat."""
