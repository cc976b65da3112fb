resource "aws_iam_user" "person" {
  for_each = toset(["alice", "bob"])
  name     = each.key
}

resource "aws_iam_user_login_profile" "person" {
  for_each = aws_iam_user.person
  user     = each.value.id
}

resource "aws_iam_user" "robot" {
  name = "robot"
}

resource "aws_iam_access_key" "robot" {
  for_each = aws_iam_user.person
  user     = aws_iam_user.robot.id
}
