variable "name" {
  type = string
}

resource "aws_iam_user" "this" {
  name = var.name
}

resource "aws_iam_user" "robot" {
  name = "${var.name}-robot"
}

output "user" {
  value = aws_iam_user.this.id
}

output "robot" {
  value = aws_iam_user.robot.id
}
