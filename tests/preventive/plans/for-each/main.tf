resource "aws_iam_user" "person" {
  for_each = toset(["alice", "bob"])
  name     = each.key
}

resource "aws_iam_user_login_profile" "person" {
  for_each = toset(["alice"])
  user     = aws_iam_user.person[each.key].id
}

resource "aws_iam_access_key" "person" {
  for_each = toset(["alice", "bob"])
  user     = aws_iam_user.person[each.key].id
}
