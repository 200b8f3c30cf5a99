"""What rings and buffers hold, as somebody who only reads finds them."""
